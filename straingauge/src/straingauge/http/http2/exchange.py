"""One request and its response: one stream of a connection."""

from collections.abc import Iterable
from typing import Final

from straingauge.http.codec import ProtocolError, ShortBody, encode
from straingauge.http.exchange import Outcome
from straingauge.http.http2.fields import Fields, request_fields, response_head
from straingauge.http.http2.reader import Http2Reader
from straingauge.http.http2.request_body import RequestBody
from straingauge.http.models import ErrorKind, Request, RequestFailed, Response
from straingauge.http.streaming.stream_exchange import StreamExchange
from straingauge.http.streaming.stream_reader import StreamReader

_END: Final = b"\r\n\r\n"


class Http2Exchange:
    """One request and its response.

    Args:
        request: The request.
        host: Value of the Host header, and the lines that follow it.
        trace: See `codec.encode`.
        scheme: "http" or "https".
        base_path: Precedes the path, except from the root.

    Attributes:
        request: The same.
        fields: The header fields to send.
        body: The part of the body that is left to send.
        stream_id: The stream that it is on; 0 before it is sent.
        is_resent: It was sent again, since the server had refused it.
        sent_ns: When it was sent.
        uploaded_ns: When it was sent whole; 0 before.
        first_byte_ns: When the response began; 0 before.
        stream: The response in flight, if it is read as it comes; else None.
        outcome: Its outcome; None while it is in flight.
    """

    __slots__ = (
        *("_encoded_body", "_reader", "body", "fields", "first_byte_ns", "is_resent", "outcome"),
        *("request", "sent_ns", "stream", "stream_id", "uploaded_ns"),
    )

    def __init__(
        self, request: Request, host: bytes, trace: bytes, scheme: bytes, base_path: bytes
    ) -> None:
        head, _, self._encoded_body = encode(request, host, trace).partition(_END)
        base_path = b"" if request.from_root else base_path
        self.request = request
        self.fields: Fields = request_fields(head, scheme, base_path)
        self.body = RequestBody(request, self._encoded_body)
        self.stream_id = self.sent_ns = self.uploaded_ns = self.first_byte_ns = 0
        self.is_resent = False
        self.stream: StreamExchange | None = None
        self.outcome: Outcome | None = None
        self._reader = Http2Reader()

    def rewind(self) -> None:
        """Get ready to be sent again."""
        self.is_resent = True
        self.body = RequestBody(self.request, self._encoded_body)
        self.uploaded_ns = 0

    def begin_response(self, fields: Iterable[tuple[bytes, bytes]], at_ns: int) -> None:
        """Process the head of the response."""
        self.first_byte_ns = self.first_byte_ns or at_ns
        reader = self._reader
        try:
            reader.status, reader.headers = response_head(fields)
        except ProtocolError as error:
            self.outcome = RequestFailed(ErrorKind.PROTOCOL, str(error))
            return
        if self.request.stream is not None:
            self.stream = StreamExchange(self.request, reader, self.sent_ns)
            self.outcome = self.stream.receive(b"", at_ns)

    def add_content(self, data: bytes, at_ns: int) -> None:
        """Process a part of the content."""
        if self.stream is not None:
            self.outcome = self.stream.receive(data, at_ns)
            return
        try:
            self._reader.feed(data)
        except ProtocolError as error:
            self.outcome = RequestFailed(ErrorKind.PROTOCOL, str(error))

    def end_response(self, at_ns: int) -> None:
        """Process the end of the response."""
        reader = self._reader
        reader.is_complete = True
        if self.stream is not None:
            self.outcome = self.stream.receive(b"", at_ns)
        else:
            self.outcome = Response(self.request, reader.status, reader.headers, reader.body)

    @property
    def stream_reader(self) -> StreamReader | None:
        """The events so far of the stream in flight; None without one."""
        return None if self.stream is None else self.stream.stream

    def close_stream(self, at_ns: int, *, at_load_end: bool = False) -> Outcome | None:
        """End the stream in flight on purpose; see `Exchange.close_stream`."""
        stream = self.stream
        return None if stream is None else stream.close(at_ns, at_load_end=at_load_end)

    def fail(self, failure: RequestFailed, at_ns: int) -> None:
        """End with a failure; a stream that has had its end mark ends well."""
        reader = self.stream_reader
        if self.stream is None or reader is None:
            self.outcome = failure
        elif reader.ending == "end_mark":
            self.outcome = self.stream.end(None, at_ns)
        else:
            self.outcome = reader.break_off(failure, at_ns)

    def lose_connection(self, error: Exception | None, at_ns: int) -> None:
        """Process the end of the connection within the response."""
        if self.stream is not None and self.stream.stream is not None:
            self.outcome = self.stream.end(error, at_ns)
        elif error is not None:
            self.outcome = RequestFailed(ErrorKind.RESET, f"within the response: {error}")
        else:
            try:
                self._reader.eof()
            except ShortBody as short:
                self.outcome = RequestFailed(ErrorKind.SHORT_BODY, str(short))
