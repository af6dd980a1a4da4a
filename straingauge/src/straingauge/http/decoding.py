"""Decoding of a response's content (RFC 9110, section 8.4)."""

import zlib
from importlib import import_module
from types import ModuleType
from typing import Final

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
"""Largest accepted body, encoded or decoded."""

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32  # which of the two is detected from its header
_RAW: Final = -zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


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
        # An empty body has no content to be encoded, as with HEAD and 304.
        if coding in ("", "identity") or not raw:
            continue
        if coding in ("gzip", "x-gzip", "deflate"):
            raw = _inflate(raw, coding)
        elif coding == "br":
            raw = _brotli(raw)
        elif coding == "zstd":
            raw = _zstd(raw)
        else:
            raise ValueError(f"content encoding {coding!r} is not supported")
    return raw


def _inflate(raw: bytes, coding: str) -> bytes:
    """Decode gzip, zlib, or the raw deflate that some servers send in its place."""
    try:
        try:
            return _inflate_limited(raw, _GZIP_OR_ZLIB)
        except zlib.error:
            return _inflate_limited(raw, _RAW)
    except zlib.error as error:
        raise ValueError(f"the body is not {coding}: {error}") from error


def _inflate_limited(raw: bytes, format_bits: int) -> bytes:
    """Decode all members of a gzip file (RFC 1952, section 2.2); what follows them is ignored."""
    contents: list[bytes] = []
    size, rest = 0, raw
    while not contents or rest.startswith(_GZIP_MAGIC):
        inflater = zlib.decompressobj(format_bits)
        contents.append(inflater.decompress(rest, MAX_BODY_BYTES + 1 - size))
        size += len(contents[-1])
        _check_size(raw, size)
        if not inflater.eof:
            raise zlib.error("incomplete or truncated stream")
        rest = inflater.unused_data
    return b"".join(contents)


def _brotli(raw: bytes) -> bytes:
    """Decode brotli (RFC 7932), with the package Brotli."""
    brotli = _installed("br", "brotli>=1.2", "brotli")
    decoder = brotli.Decompressor()
    contents: list[bytes] = []
    size, given = 0, raw
    try:
        while not decoder.is_finished():
            piece = decoder.process(given, output_buffer_limit=MAX_BODY_BYTES + 1 - size)
            if not piece and not given:
                raise ValueError("the body is not br: incomplete or truncated stream")
            contents.append(piece)
            size, given = size + len(piece), b""
            _check_size(raw, size)
    except TypeError as error:  # earlier releases have no limit
        raise ValueError("content encoding 'br' needs brotli 1.2 or newer") from error
    except brotli.error as error:
        raise ValueError(f"the body is not br: {error}") from error
    return b"".join(contents)


def _zstd(raw: bytes) -> bytes:
    """Decode all frames of Zstandard (RFC 8878), with Python 3.14 or its backport."""
    zstd = _installed("zstd", "backports.zstd", "compression.zstd", "backports.zstd")
    contents: list[bytes] = []
    size, rest = 0, raw
    while not contents or rest.startswith(_ZSTD_MAGIC):
        decoder = zstd.ZstdDecompressor()
        try:
            contents.append(decoder.decompress(rest, max_length=MAX_BODY_BYTES + 1 - size))
        except zstd.ZstdError as error:
            raise ValueError(f"the body is not zstd: {error}") from error
        size += len(contents[-1])
        _check_size(raw, size)
        if not decoder.eof:
            raise ValueError("the body is not zstd: incomplete or truncated stream")
        rest = decoder.unused_data
    return b"".join(contents)


def _check_size(raw: bytes, size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise ValueError(f"a body of {len(raw)} bytes inflates to more than {MAX_BODY_BYTES}")


def _installed(coding: str, requirement: str, *modules: str) -> ModuleType:
    for name in modules:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ValueError(
        f"content encoding {coding!r} needs another package: pip install '{requirement}'"
    )
