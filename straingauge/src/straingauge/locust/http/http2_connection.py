"""One HTTP/2 connection of a Locust user, with one stream at a time."""

from time import monotonic_ns
from typing import Final

from gevent import GreenletExit

from straingauge.http import Request, StreamReader
from straingauge.http.address import Address
from straingauge.http.exchange import Outcome, Received, first_byte_timeout_failure
from straingauge.http.http2.exchange import Http2Exchange
from straingauge.http.http2.session import MAX_ANSWER_BYTES, Http2Session
from straingauge.locust.http.socket_stream import SocketStream, TimedOut


class Http2Connection:
    """A connection with at most one request in flight; see `Connection` for what is not said here.

    Args:
        stream: An open stream.
        address: What it leads to.

    Attributes:
        is_http2: True.
    """

    is_http2: Final = True

    __slots__ = (
        *("_exchange", "_first_byte_timeout_s", "_session", "_stream"),
        *("done_ns", "sent_ns", "was_killed"),
    )

    def __init__(self, stream: SocketStream, address: Address) -> None:
        self._stream = stream
        self._session = Http2Session("https" if address.tls else "http")
        self._exchange: Http2Exchange | None = None
        self._first_byte_timeout_s = address.settings.first_byte_timeout_s
        self.sent_ns = self.done_ns = 0
        self.was_killed = False
        stream.on_unrequested = self._take_unrequested

    @property
    def closed(self) -> bool:
        """Nothing can be sent any more."""
        return self._stream.closed

    @property
    def first_byte_ns(self) -> int:
        """When the response began; 0 if it did not."""
        return 0 if self._exchange is None else self._exchange.first_byte_ns

    @property
    def stream(self) -> StreamReader | None:
        """The events so far of the response in flight; None without one."""
        exchange = self._exchange
        return None if exchange is None else exchange.stream_reader

    @property
    def defer_kill(self) -> bool:
        """See `SocketStream`."""
        return self._stream.defer_kill

    def close(self) -> None:
        """Close at once, with a farewell if the kernel takes it."""
        if not self._stream.closed:
            self._session.close()
            self._stream.write(self._session.take_data())
            self._stream.close()

    def send(
        self,
        request: Request,
        host: bytes,
        deadline_ns: int,
        trace: bytes = b"",
        *,
        defer_kill: bool,
    ) -> Outcome:
        """Send a request and wait for its outcome; see `Connection.send`.

        A request that is given up at the deadline ends its stream; the connection stays.

        Raises:
            RequestFailed: The response did not begin in time.
            TimedOut: The deadline came first.
        """
        stream, session = self._stream, self._session
        stream.deadline_ns, stream.defer_kill = deadline_ns, defer_kill
        self.done_ns = 0
        exchange = self._exchange = session.begin(request, host, trace, monotonic_ns())
        self.sent_ns = exchange.sent_ns
        is_endless = request.stream is not None and request.stream.is_endless
        outcome: Outcome | None
        try:
            outcome = self._wait(exchange, is_endless=is_endless and defer_kill)
        except TimedOut:
            first_byte_by_ns, stream.at_ns = stream.deadline_ns, stream.deadline_ns
            outcome = exchange.close_stream(stream.at_ns)
            session.cancel(exchange)
            self._answer()
            if outcome is None and first_byte_by_ns < deadline_ns:
                raise first_byte_timeout_failure(self._first_byte_timeout_s or 0) from None
            if outcome is None:
                raise
        except GreenletExit:
            stream.at_ns = monotonic_ns()
            outcome = exchange.close_stream(stream.at_ns, at_load_end=True) if is_endless else None
            self.close()
            if outcome is None:
                raise
            self.was_killed = True
        except BaseException:
            stream.close()
            raise
        self.done_ns = stream.at_ns
        if request.closes_connection:
            self.close()
        return outcome

    def _wait(self, exchange: Http2Exchange, *, is_endless: bool) -> Outcome:
        """Send a request whole, and wait for its outcome.

        Args:
            exchange: The request.
            is_endless: Only the end of the load ends its response, for which a kill stands.

        Raises:
            TimedOut: The deadline came first, or that of the first byte.
        """
        stream, session = self._stream, self._session
        deadline_ns = stream.deadline_ns
        while (outcome := exchange.outcome) is None:
            has_more = session.send_content(monotonic_ns())
            if session.has_ended:  # an upload that cannot be read
                stream.at_ns = monotonic_ns()
            self._flush(exchange)
            if exchange.outcome is not None:
                continue
            if has_more:  # Between two pieces, other users get their turn.
                received = stream.wait_writable()
            else:
                stream.deadline_ns = self._wait_until_ns(exchange, deadline_ns)
                received = stream.wait()
                stream.deadline_ns = deadline_ns
            if received is not None:
                session.receive(received, stream.at_ns)
            if is_endless and not stream.defer_kill and exchange.outcome is None:
                exchange.outcome = exchange.close_stream(stream.at_ns, at_load_end=True)
                session.cancel(exchange)
        self._answer()
        return outcome

    def _wait_until_ns(self, exchange: Http2Exchange, deadline_ns: int) -> int:
        """Return when to give up: the first byte has its own time limit."""
        timeout_s = self._first_byte_timeout_s
        if timeout_s is None or not exchange.uploaded_ns or exchange.first_byte_ns:
            return deadline_ns
        return min(deadline_ns, exchange.uploaded_ns + int(timeout_s * 1e9))

    def _flush(self, exchange: Http2Exchange) -> None:
        """Write what the session has to send, and wait until the kernel takes it.

        Raises:
            TimedOut: The deadline came first.
        """
        stream, session = self._stream, self._session
        unsent, rest = session.take_data(), None
        while exchange.outcome is None and (unsent or rest is not None):
            if rest is None:
                rest, unsent = stream.write(unsent), b""
            elif (received := stream.wait_writable()) is None:
                rest = stream.write_rest(rest)
            else:
                session.receive(received, stream.at_ns)
                unsent += session.take_data()
                if len(unsent) > MAX_ANSWER_BYTES:
                    session.end_unread(stream.at_ns)
        if unsent or rest is not None:
            stream.close()  # within a frame

    def _answer(self) -> None:
        """Write what answers the server's frames; close if it does not read, or if it ends."""
        session, stream = self._session, self._stream
        session.take_ended()
        data = session.take_data()
        if data and not stream.closed and stream.write(data) is not None:
            stream.close()
        if not session.is_usable:
            stream.close()

    def _take_unrequested(self, received: Received) -> None:
        """Process what comes while no request is in flight, such as PING and SETTINGS."""
        self._session.receive(received, self._stream.at_ns)
        self._answer()
