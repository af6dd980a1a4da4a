"""The exchanges of one HTTP/2 connection: bytes in; bytes to send and outcomes out.

exchange = session.begin(request, host, trace, now_ns)
send(session.take_data())
session.receive(received, at_ns)
for exchange in session.take_ended():  # those with an outcome
    ...
"""

from collections import deque
from contextlib import suppress
from typing import Final

from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import InvalidBodyLengthError, ProtocolError, StreamClosedError

from straingauge.http.exchange import STALE, Received, unanswered
from straingauge.http.http2.connection import new_connection
from straingauge.http.http2.exchange import Http2Exchange
from straingauge.http.http2.frames import FRAME_HEADER_BYTES, GOAWAY, Frame, FrameSplitter
from straingauge.http.models import ErrorKind, Request, RequestFailed

_MAX_STREAM_ID: Final = 2**31 - 1
# Of bodies at a time, as of uploads over HTTP/1.1: responses get their stamps in between.
_SLICE_BYTES: Final = 256 * 1024
_PING: Final = b"\0" * 8
# Bodies of requests are held back long before. Only answers to what the server sends, such as
# PING, can exceed this limit: it sends, but does not read.
MAX_ANSWER_BYTES: Final = 1024 * 1024
_HTTP1: Final = b"HTTP/1."


class Http2Session:
    """The exchanges of one HTTP/2 connection.

    Args:
        scheme: "http" or "https".
        base_path: Precedes the path of each request, except from the root.

    Attributes:
        is_usable: Another request can be sent on this connection.
    """

    __slots__ = (
        *("_base", "_ended", "_goaway", "_h2", "_has_received", "_idle_ns", "_idle_since_ns"),
        *("_in_flight", "_is_open", "_is_pinging", "_queued", "_requests", "_scheme"),
        *("_splitter",),
        *("is_usable",),
    )

    def __init__(self, scheme: str, base_path: str = "") -> None:
        self._scheme = scheme.encode("ascii")
        self._base = base_path.encode("ascii")
        self._h2 = new_connection()
        self._splitter = FrameSplitter()
        self._in_flight: dict[int, Http2Exchange] = {}
        self._queued: deque[Http2Exchange] = deque()  # the server allows no more streams
        self._ended: list[Http2Exchange] = []
        self._requests = 0
        self._idle_since_ns = 0
        self._idle_ns: int | None = None  # before the requests in flight; see `unanswered`
        self._goaway: str | None = None  # with its code, and what the server says
        self._has_received = False
        self._is_pinging = False
        self._is_open = True  # frames can be sent
        self.is_usable = True

    # Requests.

    def begin(self, request: Request, host: bytes, trace: bytes, now_ns: int) -> Http2Exchange:
        """Send a request, as far as the server's limits allow; see `Http2Exchange`."""
        exchange = Http2Exchange(request, host, trace, self._scheme, self._base)
        exchange.sent_ns = now_ns
        self._requests += 1
        if not self.in_flight:
            self._idle_ns = now_ns - self._idle_since_ns if self._requests > 1 else None
        self._queued.append(exchange)
        self._open_streams()
        return exchange

    @property
    def in_flight(self) -> int:
        """The number of requests without an outcome."""
        return len(self._in_flight) + len(self._queued)

    @property
    def free_streams(self) -> int:
        """The number of requests that the server allows in addition to those in flight."""
        if not self.is_usable:
            return 0
        return self._h2.remote_settings.max_concurrent_streams - self.in_flight

    @property
    def has_settings(self) -> bool:
        """The server has said what it allows, with its first frame (RFC 9113, section 3.4)."""
        return self._has_received

    def cancel(self, exchange: Http2Exchange) -> None:
        """Give up a request; others can be sent, as long as the server is there.

        A server that has sent nothing since the last time a request was given up is taken for gone:
        like Go's client, this one sends a PING with each RST_STREAM.
        """
        if exchange in self._queued:
            self._queued.remove(exchange)
        elif self._in_flight.pop(exchange.stream_id, None) is not None and self._is_open:
            self._reset(exchange)
            self.is_usable = self.is_usable and not self._is_pinging
            self._is_pinging = True
            self._h2.ping(_PING)

    def send_content(self, now_ns: int) -> bool:
        """Send more of the requests' bodies; return whether there is more to send at once."""
        left_bytes = _SLICE_BYTES
        for exchange in list(self._in_flight.values()):
            if exchange.body.left_bytes and exchange.outcome is None:
                try:
                    left_bytes -= self._send_content_of(exchange, left_bytes, now_ns)
                except RequestFailed as failure:
                    exchange.fail(failure, now_ns)
                    self._reset(exchange)
                    self._end(exchange, now_ns)
            if left_bytes <= 0:
                return True
        return False

    def _send_content_of(self, exchange: Http2Exchange, most_bytes: int, now_ns: int) -> int:
        """Send of one body what flow control allows; return how much it was."""
        sent_bytes, body, stream_id = 0, exchange.body, exchange.stream_id
        while body.left_bytes and sent_bytes < most_bytes:
            window = self._h2.local_flow_control_window(stream_id)
            piece_bytes = min(window, self._h2.max_outbound_frame_size, most_bytes - sent_bytes)
            if piece_bytes <= 0:
                break
            piece = body.take(piece_bytes)
            self._h2.send_data(stream_id, bytes(piece), end_stream=not body.left_bytes)
            sent_bytes += len(piece)
        if not body.left_bytes:
            exchange.uploaded_ns = now_ns
        return sent_bytes

    def _open_streams(self) -> None:
        """Send the heads of the requests that wait, as many as the server allows."""
        if not self.is_usable:
            return
        most = self._h2.remote_settings.max_concurrent_streams
        while self._queued and len(self._in_flight) < most:
            exchange = self._queued.popleft()
            stream_id = exchange.stream_id = self._h2.get_next_available_stream_id()
            is_whole = not exchange.body.left_bytes
            self._h2.send_headers(stream_id, exchange.fields, end_stream=is_whole)
            self._in_flight[stream_id] = exchange
            if is_whole:
                exchange.uploaded_ns = exchange.sent_ns
            if stream_id + 2 > _MAX_STREAM_ID:
                self.is_usable = False
                return

    # Bytes.

    def take_data(self) -> bytes:
        """Take the bytes to send."""
        return self._h2.data_to_send()

    def close(self) -> None:
        """End the connection; `take_data` returns the farewell."""
        self.is_usable = False
        if self._is_open:
            self._is_open = False
            self._h2.close_connection()

    @property
    def has_ended(self) -> bool:
        """There are outcomes to take."""
        return bool(self._ended)

    def take_ended(self) -> list[Http2Exchange]:
        """Take the exchanges that have an outcome since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def receive(self, received: Received, at_ns: int) -> None:
        """Process what the connection received; see `Exchange.receive`."""
        if not isinstance(received, bytes) or not received:
            error = received if isinstance(received, Exception) else None
            self._lose_connection(error, at_ns)
            return
        self._is_pinging = False
        if not self._has_received:
            self._has_received = True
            if received[0]:  # the first frame would have 64 KiB: it is text
                self._lose_connection(_no_http2(received), at_ns)
                return
        stream_id = 0
        try:
            for frame in self._splitter.feed(received):
                stream_id = frame.stream_id
                if frame.kind == GOAWAY and not stream_id:
                    self._go_away(frame, at_ns)
                    continue
                for event in self._h2.receive_data(frame.data):
                    self._handle(event, at_ns)
        except ProtocolError as error:
            self._break(stream_id, error, at_ns)
        self._open_streams()

    def end_unread(self, at_ns: int) -> None:
        """End the connection: more than `MAX_ANSWER_BYTES` are not read by the server."""
        detail = "HTTP/2: the server does not read what answers its frames"
        self._lose_connection(RequestFailed(ErrorKind.PROTOCOL, detail), at_ns)

    def _handle(self, event: Event, at_ns: int) -> None:
        if isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        exchange = self._in_flight.get(getattr(event, "stream_id", None) or 0)
        if exchange is None:
            return
        is_complete = isinstance(event, StreamEnded)
        if isinstance(event, ResponseReceived):
            exchange.begin_response(event.headers, at_ns)
        elif isinstance(event, InformationalResponseReceived):
            exchange.first_byte_ns = exchange.first_byte_ns or at_ns
        elif isinstance(event, DataReceived):
            exchange.add_content(event.data, at_ns)
        elif is_complete:
            exchange.end_response(at_ns)
        elif isinstance(event, StreamReset):
            self._handle_reset(exchange, event.error_code, at_ns)
            return
        if exchange.outcome is not None:
            if not is_complete or exchange.body.left_bytes:
                self._reset(exchange)
            self._end(exchange, at_ns)

    def _handle_reset(self, exchange: Http2Exchange, code: int | None, at_ns: int) -> None:
        is_refused = code == ErrorCodes.REFUSED_STREAM
        if is_refused and not exchange.is_resent and self.is_usable:
            # The server has not processed it (RFC 9113, section 8.7).
            del self._in_flight[exchange.stream_id]
            exchange.rewind()
            self._queued.append(exchange)
            return
        kind, detail = ErrorKind.STREAM_RESET, f"the server ended the stream: {_name_of(code)}"
        if is_refused:
            kind, detail = ErrorKind.STREAM_REFUSED, "the server refused the stream, twice"
        elif code == ErrorCodes.HTTP_1_1_REQUIRED:
            kind, detail = ErrorKind.NO_HTTP2, f"the server wants HTTP/1.1: {_name_of(code)}"
        exchange.fail(RequestFailed(kind, detail), at_ns)
        self._end(exchange, at_ns)

    def _reset(self, exchange: Http2Exchange) -> None:
        """End the stream of an exchange, unless the frame at hand has ended it."""
        with suppress(StreamClosedError):
            self._h2.reset_stream(exchange.stream_id, ErrorCodes.CANCEL)

    def _end(self, exchange: Http2Exchange, at_ns: int) -> None:
        """Note the outcome of an exchange."""
        self._in_flight.pop(exchange.stream_id, None)
        if not self._in_flight:
            self._idle_since_ns = at_ns
        self._ended.append(exchange)

    # The end of the connection.

    def _go_away(self, frame: Frame, at_ns: int) -> None:
        """Send no more requests; those that the server has read still get their responses.

        `h2` accepts no frames after this one, so it never receives it.

        Raises:
            ProtocolError: The frame is too short.
        """
        payload = frame.data[FRAME_HEADER_BYTES:]
        if len(payload) < 8:
            raise ProtocolError("GOAWAY is too short")
        last_id = int.from_bytes(payload[:4], "big") & _MAX_STREAM_ID
        said = payload[8:200].decode("ascii", errors="replace").strip()
        code = _name_of(int.from_bytes(payload[4:8], "big"))
        self._goaway = f"GOAWAY, {code}" + (f", {said!r}" if said else "")
        self.is_usable = False
        unread = [each for each in self._in_flight.values() if each.stream_id > last_id]
        for exchange in (*unread, *self._queued):
            # Never processed (RFC 9113, section 6.8); but a server that reads no request at all
            # must not be asked again and again.
            is_first = self._idle_ns is None
            exchange.outcome = self._gone("before it read the request") if is_first else STALE
            self._end(exchange, at_ns)
        self._queued.clear()

    def _gone(self, when: str) -> RequestFailed:
        detail = f"the server ended the connection {when}: {self._goaway}"
        return RequestFailed(ErrorKind.GOAWAY, detail)

    def _lose_connection(self, error: Exception | None, at_ns: int) -> None:
        """Give each request in flight its outcome at the end of the connection."""
        self.is_usable = self._is_open = False
        for exchange in (*self._in_flight.values(), *self._queued):
            waited_ns = at_ns - exchange.sent_ns
            if isinstance(error, RequestFailed):
                exchange.fail(error, at_ns)
            elif self._goaway is not None:
                exchange.fail(self._gone("before the end of the response"), at_ns)
            elif exchange.first_byte_ns:
                exchange.lose_connection(error, at_ns)
            else:
                exchange.outcome = unanswered(
                    exchange.request, error, idle_ns=self._idle_ns, waited_ns=waited_ns
                )
            self._end(exchange, at_ns)
        self._queued.clear()

    def _break(self, stream_id: int, error: ProtocolError, at_ns: int) -> None:
        """End the connection, since the server has broken the rules; `h2` sends GOAWAY."""
        self.is_usable = self._is_open = False
        guilty = self._in_flight.get(stream_id)
        if isinstance(error, InvalidBodyLengthError) and guilty is not None:
            expected, actual = error.expected_length, error.actual_length
            if actual < expected:
                detail = f"the response ended after {actual} of {expected} bytes of the body"
                guilty.fail(RequestFailed(ErrorKind.SHORT_BODY, detail), at_ns)
                self._end(guilty, at_ns)
        detail = f"HTTP/2: {error}" if str(error) else f"HTTP/2: {type(error).__name__}"
        self._lose_connection(RequestFailed(ErrorKind.PROTOCOL, detail), at_ns)


def _no_http2(received: bytes) -> RequestFailed:
    said = "speaks HTTP/1.1" if received.startswith(_HTTP1) else f"sent {received[:30]!r}"
    detail = f"the server {said}, not HTTP/2: leave --http2-prior-knowledge out"
    return RequestFailed(ErrorKind.NO_HTTP2, detail)


def _name_of(code: int | None) -> str:
    """Return the name of an error code (RFC 9113, section 7)."""
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"error code {code}"
