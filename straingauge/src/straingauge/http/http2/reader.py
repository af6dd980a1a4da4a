"""The response of one stream."""

from straingauge.http.codec import ProtocolError, ShortBody
from straingauge.http.decoding import MAX_BODY_BYTES
from straingauge.http.headers import RawHeaders


class Http2Reader:
    """The response of one stream, as `codec.ResponseReader` has that of HTTP/1.1.

    Attributes:
        status: Status of the response; 0 before its head.
        headers: Its headers.
        is_complete: The response is complete.
        length_bytes: Size of the content so far.
    """

    __slots__ = ("_body", "headers", "is_complete", "length_bytes", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: RawHeaders = b""
        self.is_complete = False
        self.length_bytes = 0
        self._body: list[bytes] = []

    @property
    def has_head(self) -> bool:
        """The response's head is complete."""
        return self.status != 0

    @property
    def body(self) -> bytes:
        """The content as received."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def feed(self, data: bytes) -> bool:
        """Add a part of the content; return whether the response is complete.

        Raises:
            ProtocolError: It is too large.
        """
        if data:
            self._body.append(data)
            self.length_bytes += len(data)
            if self.length_bytes > MAX_BODY_BYTES:
                raise ProtocolError(f"a response of more than {MAX_BODY_BYTES} bytes")
        return self.is_complete

    def take_body(self) -> list[bytes]:
        """Remove and return what was received of the content, which then counts no more."""
        taken, self._body = self._body, []
        self.length_bytes = 0
        return taken

    def eof(self) -> None:
        """Handle the end of the connection, which ends no response of HTTP/2.

        Raises:
            ShortBody: Always.
        """
        raise ShortBody(f"the connection closed after {self.length_bytes} bytes of the body")
