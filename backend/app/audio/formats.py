"""Audio format detection by the first bytes of a file; its name is ignored."""

from dataclasses import dataclass

SNIFF_BYTES = 64
"""Number of leading bytes that `detect` reads. A shorter file is passed whole."""

# The "ftyp" brands of ISO base media files that hold audio. Image brands (heic, avif) are excluded.
_AUDIO_BRANDS = frozenset(
    b"M4A |M4B |M4P |mp41|mp42|isom|iso2|iso4|iso5|iso6|dash|MSNV|3gp4|3gp5|3gp6|3g2a|qt  ".split(
        b"|"
    )
)
_OGG_CODECS = (b"OpusHead", b"\x01vorbis", b"Speex   ", b"\x7fFLAC")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An accepted audio format."""

    name: str
    media_type: str
    suffix: str


WAV = AudioFormat("WAV", "audio/wav", ".wav")
MP3 = AudioFormat("MP3", "audio/mpeg", ".mp3")
AAC = AudioFormat("AAC", "audio/aac", ".aac")
MP4 = AudioFormat("MP4", "audio/mp4", ".m4a")
OGG = AudioFormat("Ogg", "audio/ogg", ".ogg")
FLAC = AudioFormat("FLAC", "audio/flac", ".flac")
WEBM = AudioFormat("WebM", "audio/webm", ".webm")
AIFF = AudioFormat("AIFF", "audio/aiff", ".aiff")
AMR = AudioFormat("AMR", "audio/amr", ".amr")

FORMATS = (WAV, MP3, AAC, MP4, OGG, FLAC, WEBM, AIFF, AMR)
BY_MEDIA_TYPE = {audio_format.media_type: audio_format for audio_format in FORMATS}


def detect(head: bytes) -> AudioFormat | None:
    """Detect the format of a file; None if it is not an accepted audio format.

    Args:
        head: The first `SNIFF_BYTES` bytes of the file, or all of it if it is shorter.
    """
    head = head[:SNIFF_BYTES]
    return _by_container(head) or _by_frame(head)


def _by_container(head: bytes) -> AudioFormat | None:
    """Detect formats that start with a signature."""
    magic, form_type = head[:4], head[8:12]
    signatures = (
        (WAV, magic in (b"RIFF", b"RF64", b"BW64") and form_type == b"WAVE"),
        (AIFF, magic == b"FORM" and form_type in (b"AIFF", b"AIFC")),
        (FLAC, magic == b"fLaC"),
        (OGG, magic == b"OggS" and any(codec in head for codec in _OGG_CODECS)),
        (WEBM, magic == b"\x1aE\xdf\xa3" and (b"webm" in head or b"matroska" in head)),
        (MP4, head[4:8] == b"ftyp" and form_type in _AUDIO_BRANDS),
        (AMR, head.startswith(b"#!AMR")),
        (MP3, head.startswith(b"ID3") and len(head) > 4 and head[3] < 0xFF),
    )
    return next((audio_format for audio_format, matches in signatures if matches), None)


def _by_frame(head: bytes) -> AudioFormat | None:
    """Detect MPEG audio without a container by its first frame header.

    The bits follow ISO/IEC 11172-3, 2.4.2.3, and 13818-7 (ADTS): 11 sync bits, version, layer,
    protection, bit rate, sampling rate. Reserved values are rejected.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if head[1] & 0xF6 == 0xF0:  # ADTS: 12 sync bits and layer 0
        return AAC if head[2] >> 2 & 0xF < 13 else None
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    # Layer I is not in use, and its sync bits equal the byte order mark of UTF-16.
    if version == 1 or layer not in (1, 2) or bit_rate in (0, 15) or sample_rate == 3:
        return None
    return MP3
