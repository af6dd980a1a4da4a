"""One exchange whose response is read as it comes."""

from typing import Protocol

from straingauge.http.codec import ProtocolError, ShortBody
from straingauge.http.headers import RawHeaders
from straingauge.http.models import ErrorKind, Request, RequestFailed, Response
from straingauge.http.streaming.stream_reader import (
    StreamReader,
    StreamResponse,
    content_failure,
)


class BodyReader(Protocol):
    """A response of any version of HTTP; see `codec.ResponseReader`."""

    status: int
    headers: RawHeaders

    @property
    def has_head(self) -> bool:
        """The response's head is complete."""

    @property
    def body(self) -> bytes:
        """The content as received."""

    def feed(self, data: bytes, /) -> bool:
        """Add received bytes; return whether the response is complete."""

    def take_body(self) -> list[bytes]:
        """Remove and return what was received of the content."""

    def eof(self) -> None:
        """Handle the end of the connection."""


class StreamExchange:
    """Passes the body of one response on as it comes.

    A response with an unexpected status is no stream: it is received as any other.

    Attributes:
        stream: the events so far; None before the response's head was complete.
        is_complete: The response is complete.
    """

    __slots__ = ("_reader", "_request", "_sent_ns", "is_complete", "stream")

    def __init__(self, request: Request, reader: BodyReader, sent_ns: int) -> None:
        self._request = request
        self._reader = reader
        self._sent_ns = sent_ns
        self.stream: StreamReader | None = None
        self.is_complete = False

    def receive(self, received: bytes, at_ns: int) -> Response | RequestFailed | None:
        """Process received bytes; return the outcome, None while the stream continues."""
        request, reader = self._request, self._reader
        broken: RequestFailed | None = None
        try:
            self.is_complete = reader.feed(received)
        except ProtocolError as error:
            broken = RequestFailed(ErrorKind.PROTOCOL, str(error))
        if not reader.has_head:
            return broken
        if reader.status not in request.expect:
            return broken or (self._other_response() if self.is_complete else None)
        if self.stream is None and (failed := self._begin()) is not None:
            return failed
        return self._read(broken, at_ns)

    def _read(self, broken: RequestFailed | None, at_ns: int) -> Response | RequestFailed | None:
        """Read what has arrived of the body, also if it is broken behind that."""
        stream = self.stream
        assert stream is not None
        if (wrong := stream.feed(self._reader.take_body(), at_ns)) is not None:
            return wrong
        if broken is not None:
            return stream.break_off(broken, at_ns)
        if self.is_complete:
            return stream.finish(at_ns) or self._response()
        if stream.ending == "limit":
            return stream.check_events(at_ns) or self._response()
        return None  # after an end mark, the rest of the response is awaited

    def end(self, error: Exception | None, at_ns: int) -> Response | RequestFailed:
        """Handle the end of the connection, once the head is complete."""
        stream = self.stream
        assert stream is not None
        if stream.ending == "end_mark":
            return stream.check_events(at_ns) or self._response()
        if error is not None:
            failure = RequestFailed(ErrorKind.RESET, f"within the stream: {error}")
            return stream.break_off(failure, at_ns)
        try:
            self._reader.eof()
        except ShortBody:
            detail = f"the connection closed after {stream.body_bytes} bytes of the stream"
            return stream.break_off(RequestFailed(ErrorKind.SHORT_BODY, detail), at_ns)
        return stream.finish(at_ns) or self._response()

    def close(self, at_ns: int, *, at_load_end: bool = False) -> Response | RequestFailed | None:
        """End the stream on purpose; None if nothing but a failure can end it.

        The request's time is over, which is `max_s` if the stream has one; or the load is.
        """
        stream = self.stream
        if stream is None:
            return None
        if at_load_end and stream.events < stream.declared.min_events:
            return None
        if not at_load_end and stream.ending is None and stream.declared.max_s is None:
            return None
        return stream.close("load_end" if at_load_end else "limit", at_ns) or self._response()

    def _begin(self) -> RequestFailed | None:
        request, reader = self._request, self._reader
        declared = request.stream
        assert declared is not None
        response = Response(request, reader.status, reader.headers, b"")
        if (wrong := content_failure(declared, reader.headers)) is not None:
            return RequestFailed(ErrorKind.FAILED_CHECK, wrong, response)
        try:
            self.stream = StreamReader(declared, reader.headers, self._sent_ns)
        except ValueError as error:
            return RequestFailed(ErrorKind.PROTOCOL, str(error), response)
        return None

    def _other_response(self) -> Response:
        reader = self._reader
        return Response(self._request, reader.status, reader.headers, reader.body)

    def _response(self) -> StreamResponse:
        assert self.stream is not None
        reader = self._reader
        return StreamResponse(self._request, reader.status, reader.headers, self.stream)
