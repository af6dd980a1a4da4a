"""An HTTP/2 session of a client and a server's end, connected without a network."""

from http2_peer import Http2Peer
from straingauge.http import Request, RequestFailed, Response
from straingauge.http.exchange import Outcome
from straingauge.http.http2.exchange import Http2Exchange
from straingauge.http.http2.session import Http2Session


class Wire:
    """A client's session and a server's end, which exchange bytes when `pass_on` is called."""

    def __init__(self, session: Http2Session | None = None, peer: Http2Peer | None = None) -> None:
        self.session = session or Http2Session("http")
        self.peer = peer or Http2Peer()
        self.now_ns = 1_000

    def begin(self, request: Request | None = None, host: bytes = b"h:1") -> Http2Exchange:
        """Begin an exchange, and let the server see its request."""
        request = request or Request("GET", "/x", "GET /x")
        exchange = self.session.begin(request, host, b"", self.now_ns)
        self.pass_on()
        return exchange

    def pass_on(self) -> list[Http2Exchange]:
        """Pass bytes on until both sides are silent; return the exchanges that have ended."""
        ended: list[Http2Exchange] = []
        while True:
            self.session.send_content(self.now_ns)
            sent = self.session.take_data()
            if sent:
                self.peer.feed(sent)
            received = self.peer.take()
            if received:
                self.receive(received)
            ended += self.session.take_ended()
            if not sent and not received:
                return ended

    def receive(self, data: bytes) -> None:
        """Let the client receive bytes, each time at another instant."""
        self.now_ns += 1_000
        self.session.receive(data, self.now_ns)

    def exchange(self) -> Http2Exchange:
        """Complete a whole exchange."""
        exchange = self.begin()
        self.peer.answer(self.peer.complete.pop().stream_id)
        assert self.pass_on() == [exchange]
        return exchange


def failure(outcome: Outcome | None) -> RequestFailed:
    """Require a failure."""
    assert isinstance(outcome, RequestFailed)
    return outcome


def response(outcome: Outcome | None) -> Response:
    """Require a response."""
    assert isinstance(outcome, Response)
    return outcome
