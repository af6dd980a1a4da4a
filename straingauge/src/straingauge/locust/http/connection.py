"""One connection of a Locust user: an exchange on a socket stream."""

from time import monotonic_ns
from typing import Final

from gevent import GreenletExit

from straingauge.http import Request, StreamReader
from straingauge.http.address import Address
from straingauge.http.exchange import Exchange, Outcome, first_byte_timeout_failure
from straingauge.locust.http.socket_stream import SocketStream, TimedOut


class Connection:
    """A kept-alive connection with at most one request in flight.

    Args:
        stream: An open stream.
        address: What it leads to.

    Attributes:
        sent_ns: when the request's first byte was passed to the kernel.
        done_ns: when the request's outcome was known; 0 before.
        was_killed: the user was killed while it received a stream, and should end now.
        is_http2: False.
    """

    is_http2: Final = False

    __slots__ = (
        "_exchange",
        "_first_byte_timeout_s",
        "_stream",
        "done_ns",
        "sent_ns",
        "was_killed",
    )

    def __init__(self, stream: SocketStream, address: Address) -> None:
        self._stream = stream
        self._exchange = Exchange(root=address.request_root)
        self._first_byte_timeout_s = address.settings.first_byte_timeout_s
        self.sent_ns = self.done_ns = 0
        self.was_killed = False

    @property
    def closed(self) -> bool:
        """Nothing can be sent any more."""
        return self._stream.closed

    @property
    def first_byte_ns(self) -> int:
        """When the response began; 0 if it did not."""
        return self._exchange.first_byte_ns

    @property
    def stream(self) -> StreamReader | None:
        """The events so far of the stream in flight; None without one."""
        return self._exchange.stream_reader

    @property
    def defer_kill(self) -> bool:
        """See `SocketStream`."""
        return self._stream.defer_kill

    def close(self) -> None:
        """Close at once."""
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
        """Send a request and wait for its outcome.

        Args:
            request: the request.
            host: value of the Host header.
            deadline_ns: when to give up.
            trace: see `codec.encode`.
            defer_kill: wait for the response even when killed; see `SocketStream`.

        Raises:
            RequestFailed: the file to upload cannot be read.
            TimedOut: the deadline came first.
        """
        stream, exchange = self._stream, self._exchange
        stream.deadline_ns, stream.defer_kill = deadline_ns, defer_kill
        self.done_ns = 0
        early: Outcome | None = None  # before all of the request was sent
        try:
            data = exchange.begin(request, host, trace)
            self.sent_ns = exchange.sent_ns = monotonic_ns()
            if data is None:
                early = self._upload()
            elif (rest := stream.write(data)) is not None:
                early = self._write_rest(rest)
            outcome = early
            if outcome is None and self._first_byte_timeout_s is not None:
                outcome = self._await_first_byte(self._first_byte_timeout_s)
            if outcome is None and request.stream is not None:
                outcome = self._receive_events(is_endless=request.stream.is_endless)
            while outcome is None:
                outcome = exchange.receive(stream.wait(), stream.at_ns)
        except BaseException:
            stream.close()
            raise
        self.done_ns = stream.at_ns
        if early is not None or not exchange.keep_alive:
            stream.close()
        return outcome

    def _receive_events(self, *, is_endless: bool) -> Outcome:
        """Receive a response that is read as it comes, until its end or a time limit.

        A user that is killed ends a stream which nothing else would end: the load is over.

        Raises:
            TimedOut: the deadline came before the response.
        """
        stream, exchange = self._stream, self._exchange
        is_deferred = stream.defer_kill
        outcome: Outcome | None = None
        try:
            while outcome is None:
                outcome = exchange.receive(stream.wait(), stream.at_ns)
                if outcome is None and is_endless and is_deferred and not stream.defer_kill:
                    outcome = exchange.close_stream(stream.at_ns, at_load_end=True)
        except TimedOut:
            stream.at_ns = stream.deadline_ns
            outcome = exchange.close_stream(stream.at_ns)
            if outcome is None:
                raise
            stream.close()
        except GreenletExit:
            stream.at_ns = monotonic_ns()
            outcome = exchange.close_stream(stream.at_ns, at_load_end=True) if is_endless else None
            if outcome is None:
                raise
            self.was_killed = True
            stream.close()
        return outcome

    def _await_first_byte(self, timeout_s: float) -> Outcome | None:
        """Wait for the first byte of the response.

        Raises:
            RequestFailed: It took longer than this.
            TimedOut: The deadline came first.
        """
        stream = self._stream
        deadline_ns, first_byte_by_ns = stream.deadline_ns, monotonic_ns() + int(timeout_s * 1e9)
        stream.deadline_ns = min(deadline_ns, first_byte_by_ns)
        try:
            received = stream.wait()
        except TimedOut:
            if deadline_ns <= first_byte_by_ns:
                raise
            raise first_byte_timeout_failure(timeout_s) from None
        finally:
            stream.deadline_ns = deadline_ns
        return self._exchange.receive(received, stream.at_ns)

    def _upload(self) -> Outcome | None:
        """Send an upload piece by piece; return an outcome that comes before its end."""
        exchange = self._exchange
        data = exchange.next_chunk()
        self.sent_ns = exchange.sent_ns = monotonic_ns()
        while True:
            rest = self._stream.write(data)
            if rest is not None and (outcome := self._write_rest(rest)) is not None:
                return outcome
            if not exchange.is_uploading:
                return None
            # Between two pieces, other users get their turn.
            if (outcome := self._wait_writable()) is not None:
                return outcome
            data = exchange.next_chunk()

    def _write_rest(self, rest: memoryview | None) -> Outcome | None:
        """Send the rest as the stream takes it; return an outcome that comes before its end."""
        while rest is not None:
            if (outcome := self._wait_writable()) is not None:
                return outcome
            rest = self._stream.write_rest(rest)
        return None

    def _wait_writable(self) -> Outcome | None:
        stream = self._stream
        while (received := stream.wait_writable()) is not None:
            if (outcome := self._exchange.receive(received, stream.at_ns)) is not None:
                return outcome
        return None
