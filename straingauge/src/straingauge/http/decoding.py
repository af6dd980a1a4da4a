"""Decoding of a response's content (RFC 9110, section 8.4)."""

import zlib
from typing import Final

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
"""Largest accepted body, encoded or decoded."""

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32  # which of the two is detected from its header
_RAW: Final = -zlib.MAX_WBITS


def decode(raw: bytes, encoding: str) -> bytes:
    """Decode content.

    Args:
        raw: the content as received.
        encoding: value of the Content-Encoding header, "" if there is none.

    Raises:
        ValueError: it is not encoded in this way, the encoding is not supported, or the result is
            too large.
    """
    for coding in reversed([part.strip().lower() for part in encoding.split(",")]):
        if coding in ("", "identity"):
            continue
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise ValueError(f"content encoding {coding!r} is not supported")
        try:
            raw = _inflate(raw)
        except zlib.error as error:
            raise ValueError(f"the body is not {coding}: {error}") from error
    return raw


def _inflate(raw: bytes) -> bytes:
    """Decode gzip, zlib, or the raw deflate that some servers send in its place."""
    if not raw:
        return raw  # an empty body has no content to be encoded, as with HEAD and 304
    try:
        return _inflate_limited(raw, _GZIP_OR_ZLIB)
    except zlib.error:
        return _inflate_limited(raw, _RAW)


def _inflate_limited(raw: bytes, format_bits: int) -> bytes:
    inflater = zlib.decompressobj(format_bits)
    content = inflater.decompress(raw, MAX_BODY_BYTES + 1)
    if len(content) > MAX_BODY_BYTES:
        raise ValueError(f"a body of {len(raw)} bytes inflates to more than {MAX_BODY_BYTES}")
    if not inflater.eof:
        raise zlib.error("incomplete or truncated stream")
    return content
