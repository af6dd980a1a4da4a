"""Decoding of a compressed stream piece by piece."""

import zlib
from collections.abc import Iterator
from typing import Final

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32  # which of the two is detected from its header
_PIECE_BYTES: Final = 64 * 1024


class Inflater:
    """Decodes gzip and zlib as they arrive, in pieces of at most 64 kB.

    Args:
        encoding: Value of the Content-Encoding header.

    Raises:
        ValueError: The encoding cannot be decoded piece by piece.
    """

    __slots__ = ("_decompressor",)

    def __init__(self, encoding: str) -> None:
        if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
            raise ValueError(f"content encoding {encoding!r} is not supported in a stream")
        self._decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the decoded content of a piece.

        Raises:
            ValueError: It is not encoded in this way.
        """
        decompressor = self._decompressor
        try:
            while piece:
                if decoded := decompressor.decompress(piece, _PIECE_BYTES):
                    yield decoded
                piece = decompressor.unconsumed_tail
        except zlib.error as error:
            raise ValueError(f"the stream is not encoded as declared: {error}") from error
