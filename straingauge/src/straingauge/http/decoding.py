"""A response's content, with what it was encoded with undone (RFC 9110, section 8.4)."""

import zlib
from typing import Final

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
"""More than this nobody should send, encoded or not."""

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32  # by its header
_RAW: Final = -zlib.MAX_WBITS


def decoded(raw: bytes, encoding: str) -> bytes:
    """The content itself.

    Args:
        raw: as it came.
        encoding: the Content-Encoding header, "" if there is none.

    Raises:
        ValueError: it is not encoded so, or in a way not known here, or becomes too large.
    """
    for coding in reversed([part.strip().lower() for part in encoding.split(",")]):
        if coding in ("", "identity"):
            continue
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise ValueError(f"content encoding {coding!r} is not supported")
        try:
            raw = _inflated(raw)
        except zlib.error as error:
            raise ValueError(f"the body is not {coding}: {error}") from error
    return raw


def _inflated(raw: bytes) -> bytes:
    """Undo gzip, zlib, or the raw deflate that some servers send in zlib's place."""
    if not raw:
        return raw  # an empty body has no content to be encoded, as with HEAD and 304
    try:
        return _within_limit(raw, _GZIP_OR_ZLIB)
    except zlib.error:
        return _within_limit(raw, _RAW)


def _within_limit(raw: bytes, format_bits: int) -> bytes:
    inflater = zlib.decompressobj(format_bits)
    content = inflater.decompress(raw, MAX_BODY_BYTES + 1)
    if len(content) > MAX_BODY_BYTES:
        raise ValueError(f"a body of {len(raw)} bytes inflates to more than {MAX_BODY_BYTES}")
    if not inflater.eof:
        raise zlib.error("incomplete or truncated stream")
    return content
