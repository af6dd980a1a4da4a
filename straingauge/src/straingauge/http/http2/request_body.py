"""The body of a request, taken in pieces as flow control allows."""

from collections.abc import Iterator

from straingauge.http.models import ErrorKind, Request, RequestFailed
from straingauge.http.multipart import Upload


class RequestBody:
    """The part of a body that is left to send.

    Args:
        request: The request.
        encoded: Its body; empty for an upload, which is read from its files.

    Attributes:
        left_bytes: Its size.
    """

    __slots__ = ("_chunks", "_piece", "left_bytes")

    def __init__(self, request: Request, encoded: bytes) -> None:
        upload = request.body
        self._chunks: Iterator[bytes] | None = None
        self._piece = memoryview(encoded)
        self.left_bytes = len(encoded)
        if isinstance(upload, Upload):
            self._chunks = upload.chunks()
            self.left_bytes = upload.length

    def take(self, most_bytes: int) -> memoryview:
        """Take the next piece, at most as long as this.

        Raises:
            RequestFailed: The upload's file cannot be read, or has become shorter.
        """
        if not self._piece and self._chunks is not None:
            try:
                self._piece = memoryview(next(self._chunks))
            except OSError as error:
                detail = f"the upload's file: {error}"
                raise RequestFailed(ErrorKind.JOURNEY_ERROR, detail) from error
        taken, self._piece = self._piece[:most_bytes], self._piece[most_bytes:]
        self.left_bytes -= len(taken)
        return taken
