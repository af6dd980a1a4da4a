"""Decoding of a compressed stream piece by piece."""

import zlib
from collections.abc import Iterator
from typing import Final

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32  # which of the two is detected from its header
_RAW: Final = -zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"
_HEADER_BYTES: Final = 2  # enough to tell gzip, zlib and raw deflate apart
_PIECE_BYTES: Final = 64 * 1024


class Inflater:
    """Decodes gzip, zlib and raw deflate as they arrive, in pieces of at most 64 kB.

    All members of a gzip file are decoded (RFC 1952, section 2.2); what follows them is ignored.

    Args:
        encoding: Value of the Content-Encoding header.

    Raises:
        ValueError: The encoding cannot be decoded piece by piece.
    """

    __slots__ = ("_decompressor", "_has_ended", "_may_be_raw", "_start")

    def __init__(self, encoding: str) -> None:
        coding = encoding.strip().lower()
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise ValueError(f"content encoding {encoding!r} is not supported in a stream")
        self._decompressor: zlib._Decompress | None = None
        self._may_be_raw = coding == "deflate"  # as some servers send it
        self._start = b""  # of the content, or of what follows a member
        self._has_ended = False  # a member is complete

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the decoded content of a piece.

        Raises:
            ValueError: It is not encoded in this way.
        """
        try:
            while piece:
                if self._decompressor is None and not (piece := self._begin(piece)):
                    return
                assert self._decompressor is not None
                decoded = self._decompressor.decompress(piece, _PIECE_BYTES)
                if decoded:
                    yield decoded
                piece = self._decompressor.unconsumed_tail
                while not piece and len(decoded) == _PIECE_BYTES:
                    # The decompressor may still have some of what it has read.
                    if decoded := self._decompressor.decompress(b"", _PIECE_BYTES):
                        yield decoded
                    piece = self._decompressor.unconsumed_tail
                if self._decompressor.eof:
                    piece = self._decompressor.unused_data
                    self._decompressor, self._has_ended = None, True
        except zlib.error as error:
            raise ValueError(f"the stream is not encoded as declared: {error}") from error

    def finish(self) -> None:
        """Handle the end of the content.

        Raises:
            ValueError: It is cut off.
        """
        if self._decompressor is not None or (self._start and not self._has_ended):
            raise ValueError("the compressed stream is cut off before its end")

    def _begin(self, piece: bytes) -> bytes:
        """Begin to decode, once the first bytes tell the format; return what there is to decode."""
        start = self._start + piece
        if len(start) < _HEADER_BYTES:
            self._start = start
            return b""
        self._start = b""
        if self._has_ended and not start.startswith(_GZIP_MAGIC):
            self._start = b"\0"  # no further member can begin
            return b""
        # The header of zlib (RFC 1950, section 2.2): deflate, and a multiple of 31.
        is_zlib = start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0
        is_raw = self._may_be_raw and not is_zlib and not start.startswith(_GZIP_MAGIC)
        self._decompressor = zlib.decompressobj(_RAW if is_raw else _GZIP_OR_ZLIB)
        return start
