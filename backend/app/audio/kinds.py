"""Which audio format a file holds, told from its first bytes and never from its name."""

from dataclasses import dataclass

SNIFF_BYTES = 64
"""As many leading bytes as `detect` looks at; fewer are fine when the file has no more."""

# Of ISO base media files, the "ftyp" brands of players and recorders; image brands (heic, avif)
# are not here.
_AUDIO_BRANDS = frozenset(
    b"M4A |M4B |M4P |mp41|mp42|isom|iso2|iso4|iso5|iso6|dash|MSNV|3gp4|3gp5|3gp6|3g2a|qt  ".split(
        b"|"
    )
)
_OGG_CODECS = (b"OpusHead", b"\x01vorbis", b"Speex   ", b"\x7fFLAC")


@dataclass(frozen=True, slots=True)
class AudioKind:
    """One accepted format."""

    name: str
    media_type: str
    suffix: str


WAV = AudioKind("WAV", "audio/wav", ".wav")
MP3 = AudioKind("MP3", "audio/mpeg", ".mp3")
AAC = AudioKind("AAC", "audio/aac", ".aac")
MP4 = AudioKind("MP4", "audio/mp4", ".m4a")
OGG = AudioKind("Ogg", "audio/ogg", ".ogg")
FLAC = AudioKind("FLAC", "audio/flac", ".flac")
WEBM = AudioKind("WebM", "audio/webm", ".webm")
AIFF = AudioKind("AIFF", "audio/aiff", ".aiff")
AMR = AudioKind("AMR", "audio/amr", ".amr")

KINDS = (WAV, MP3, AAC, MP4, OGG, FLAC, WEBM, AIFF, AMR)
BY_MEDIA_TYPE = {kind.media_type: kind for kind in KINDS}


def detect(head: bytes) -> AudioKind | None:
    """Name the format a file that begins with `head` has; None when it is no accepted audio.

    Args:
        head: The first `SNIFF_BYTES` of the file, or all of it when it is shorter.
    """
    head = head[:SNIFF_BYTES]
    return _by_container(head) or _by_frame(head)


def _by_container(head: bytes) -> AudioKind | None:
    """Formats whose files begin with a name of their own."""
    magic, form = head[:4], head[8:12]
    signs = (
        (WAV, magic in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE"),
        (AIFF, magic == b"FORM" and form in (b"AIFF", b"AIFC")),
        (FLAC, magic == b"fLaC"),
        (OGG, magic == b"OggS" and any(codec in head for codec in _OGG_CODECS)),
        (WEBM, magic == b"\x1aE\xdf\xa3" and (b"webm" in head or b"matroska" in head)),
        (MP4, head[4:8] == b"ftyp" and form in _AUDIO_BRANDS),
        (AMR, head.startswith(b"#!AMR")),
        (MP3, head.startswith(b"ID3") and len(head) > 4 and head[3] < 0xFF),
    )
    return next((kind for kind, present in signs if present), None)


def _by_frame(head: bytes) -> AudioKind | None:
    """MPEG audio without a container: the file begins with the header of its first frame.

    Bits by ISO/IEC 11172-3, 2.4.2.3, and 13818-7 (ADTS): 11 of sync, version, layer, protection;
    then the bit rate and the sampling rate, each with reserved values that no true frame has.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if head[1] & 0xF6 == 0xF0:  # layer 0 with 12 bits of sync: ADTS
        return AAC if head[2] >> 2 & 0xF < 13 else None
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    # Layer I is extinct, and its sync looks like the byte order mark of UTF-16.
    if version == 1 or layer not in (1, 2) or bit_rate in (0, 15) or sample_rate == 3:
        return None
    return MP3
