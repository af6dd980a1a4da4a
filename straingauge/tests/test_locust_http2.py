"""HTTP/2 of Locust users, against servers of the engine's tests."""

import ssl
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from http2_peer import Http2Peer, Http2Request, speaking_http2
from locust_caller import Locust
from raw_server import Peer, answering, serve, speaking_tls
from single_journey import run_journey
from straingauge.http import RequestFailed, Stream
from straingauge.http.settings import HttpSettings
from straingauge.journey import User

BODY = "x" * 300_000  # more than the server's window
REQUESTS: dict[str, dict[str, object]] = {
    "/200": {},
    "/404": {},
    "/reset": {},
    "/unanswered": {"timeout_s": 0.2},
    "/upload": {"content": BODY},
    "/events": {"stream": "sse"},
    "/held": {"stream": Stream(max_s=0.1)},
    "/goaway": {},
    "/after": {},
}
CALL = """
from contextlib import suppress
from straingauge import Stream
from straingauge.http import RequestFailed

def journey(user):
    for path, options in {requests!r}.items():
        with suppress(RequestFailed):
            yield user.request("POST" if "content" in options else "GET", path, **options)

return str(user.run_journey(journey))
"""


def answer(end: Http2Peer, request: Http2Request) -> None:
    """Do what the path says."""
    stream, path = request.stream_id, request[":path"]
    event_stream = [(":status", "200"), ("content-type", "text/event-stream")]
    if path == "/reset":
        end.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
    elif path == "/events":
        end.h2.send_headers(stream, event_stream)
        end.h2.send_data(stream, b"data: 1\n\ndata: 2\n\n", end_stream=True)
    elif path == "/held":
        end.h2.send_headers(stream, event_stream)
        end.h2.send_data(stream, b"data: 1\n\n")
    elif path == "/goaway":
        end.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, b"too many", last_stream_id=0)
    elif path != "/unanswered":
        end.answer(stream, status=404 if path == "/404" else 200)


def serving(peer: Peer) -> None:
    """Serve a connection until it ends, or until the client sends after GOAWAY."""
    with suppress(ProtocolError):
        speaking_http2(answer)(peer)


def test_requests_end_as_in_the_engine(caller: Locust):
    """Statuses, failures, streams and connections are those of the engine."""

    def journey(user: User):
        for path, options in REQUESTS.items():
            with suppress(RequestFailed):
                yield user.request("POST" if "content" in options else "GET", path, **options)

    with serve(serving) as server:
        http = HttpSettings(http2="prior-knowledge")
        series, stats = run_journey(server.url, journey, http=http)
        opened = server.connections
    with serve(serving) as server:
        call = CALL.format(requests=REQUESTS)
        outcome = caller.call(server.url, call, http={"http2": "prior-knowledge"})
    assert outcome.value == "None"
    assert server.connections == outcome.totals["connections"] == stats.connections == opened
    found = list(outcome.record.values())
    for name, counts in (("statuses", series.statuses), ("errors", series.errors)):
        assert sum((Counter(each[name]) for each in found), Counter()) == {
            str(key): count for key, count in counts.items()
        }
    assert outcome.http2_connections == opened


def test_a_server_may_send_while_no_request_is_in_flight(caller: Locust):
    """PING is answered and leaves the connection; GOAWAY and a server that does not read end it."""
    text = """
    from straingauge.http.address import Address
    from straingauge.locust.http.http2_connection import Http2Connection

    class Stream:
        closed, at_ns, written = False, 1, b""

        def write(self, data):
            self.written = data
            return memoryview(data) if self.is_full else None

        def close(self):
            self.closed = True

    def receive(frame, *, is_full=False):
        stream = Stream()
        stream.is_full = is_full
        Http2Connection(stream, Address("h", 80, tls=False))
        for each in (bytes.fromhex("000000040000000000"), bytes.fromhex(frame)):
            stream.on_unrequested(each)
        return [stream.written.hex(), stream.closed]

    ping, goaway = "000008060000000000" + 8 * "ab", "000008070000000000" + 8 * "00"
    return [receive(ping), receive(ping, is_full=True)[1], receive(goaway)[1], receive("")[1]]
    """
    answered, *closed = caller.call("http://127.0.0.1:1", text).value
    assert answered == ["000008060100000000" + 8 * "ab", False]
    assert closed == [True, True, True]


@pytest.mark.parametrize("offered", ["h2", "http/1.1"])
def test_an_https_server_chooses_the_protocol(caller: Locust, certificate: Path, offered: str):
    """HTTP/2 is spoken with a server that offers it, and HTTP/1.1 with others unless demanded."""
    context: ssl.SSLContext = speaking_tls(certificate)
    context.set_alpn_protocols([offered])
    is_http2 = offered == "h2"
    with serve(serving if is_http2 else answering(), context) as server:
        url, text = f"https://localhost:{server.port}", 'return client.get("/x").status_code'
        found = caller.call(url, text, http={"http2": True})
        demanded = caller.call(url, text, http={"http2": "prior-knowledge"})
    assert found.value == 200
    assert found.http2_connections == is_http2
    assert demanded.failures == ({} if is_http2 else {"no_http2": 1})
