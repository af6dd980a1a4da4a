"""The client of Locust's users, against servers that decide about every byte."""

import threading
import time
from pathlib import Path

import pytest
from calling import PLAY, Locust
from serving import Handler, Peer, answering, hang_up, saying, serve
from single_journey import run_journey
from straingauge.http import ErrorKind


def reset(peer: Peer) -> None:
    """Reset instead of an answer."""
    peer.read()
    peer.reset()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "handler",
    [
        reset,
        hang_up,
        saying(OK + b"Content-Length: 100\r\n\r\nabc"),
        saying(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
        saying(OK + b"Content-Le"),
        saying(OK + b"\r\ntill the end"),
        saying(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}"),
        saying(b"220 smtp.example.com ESMTP\r\n"),
        saying(b"\x00" * 1_000),
        answering(500),
        answering(302, headers="Location: /\r\n"),
        answering(429, headers="Retry-After: 1\r\n"),
        answering(204, body=b""),
    ],
)
def test_a_journeys_outcome_is_the_engines(caller: Locust, handler: Handler):
    """Whatever a server does, a journey's request has the same end in Locust as in the engine."""
    with serve(handler) as server:
        series, report = run_journey(server.url)
    with serve(handler) as server:
        called = caller.call(server.url, PLAY)
    limited = (
        {ErrorKind.RATE_LIMITED: series.rate_limited.count} if series.rate_limited.count else {}
    )
    assert called.failures == dict(series.errors) | limited
    (figures,) = called.record.values()
    assert figures["statuses"] == {str(key): count for key, count in series.statuses.items()}
    assert figures["examples"] == [each.detail for each in series.examples]
    assert called.totals["connections"] == report.connections == 1


def test_nobody_listening_is_refused(caller: Locust):
    """A closed port is a refused connection with status 0, reported once and recorded once."""
    called = caller.call(
        "http://127.0.0.1:9",
        """
        answer = client.get("/x")
        return [answer.status_code, answer.ok, answer.content, str(answer.error)]
        """,
    )
    assert called.value == [0, False, None, "refused: 127.0.0.1 port 9 refused"]
    assert called.failures == {"refused": 1}
    (event,) = called.events
    assert event["exception"] == "refused: 127.0.0.1 port 9 refused"


UPLOAD = """
from straingauge.http import FilePart, Upload

def journey(user):
    upload = Upload({{}}, {{"f": FilePart(b"x" * {size})}})
    yield user.post("/x", upload=upload, timeout_s={timeout_s})

return str(user.run_journey(journey))
"""


def test_an_upload_larger_than_any_buffer_arrives_whole(caller: Locust):
    """Many megabytes to a slow reader go out piece by piece, and the connection stays."""
    with serve(answering()) as server:
        called = caller.call(server.url, UPLOAD.format(size=20_000_000, timeout_s=20))
    assert called.value == "None"
    assert len(server.requests[0].body) > 20_000_000


def test_an_answer_that_comes_before_the_uploads_end_counts(caller: Locust):
    """A service that refuses an upload it has not read is heard, and the connection dropped."""

    def refusing(peer: Peer) -> None:
        if peer.server.connections > 1:
            answering()(peer)
            return
        peer.socket.recv(65536)
        peer.answer(413)
        over.wait(20)

    over = threading.Event()
    text = UPLOAD.format(size=20_000_000, timeout_s=20).replace("return ", "")
    with serve(refusing) as server:
        called = caller.call(server.url, text + 'return client.get("/y", timeout=2).status_code')
        over.set()
    assert called.value == 200
    figures = called.record["main POST /x"]
    assert (figures["statuses"], figures["errors"]) == ({"413": 1}, {"bad_status": 1})


def test_a_file_that_is_gone_is_the_journeys_error(caller: Locust, tmp_path: Path):
    """An upload whose file cannot be read any more is the journey's fault, and others go on."""
    with serve(answering()) as server:
        called = caller.call(
            server.url,
            f"""
            from pathlib import Path
            from straingauge.http import FilePart, Upload
            file = Path({str(tmp_path / "f")!r})
            file.write_bytes(b"x")

            def journey(user):
                upload = Upload({{}}, {{"f": FilePart(file)}})
                file.unlink()
                yield user.post("/x", upload=upload)

            user.run_journey(journey)
            return client.get("/y").status_code
            """,
        )
    assert called.value == 200
    figures = called.record["main POST /x"]
    assert figures["errors"] == {"journey_error": 1}
    assert figures["examples"][0].startswith("the upload's file: ")


def silent(peer: Peer) -> None:
    """Never answer."""
    peer.read()
    peer.read()


def test_a_late_answer_is_a_timeout(caller: Locust):
    """No answer within its time is a timeout of just that long; the next request has its own."""
    with serve(silent) as server:
        called = caller.call(
            server.url,
            """
            client.get("/x", timeout=0.2)
            return str(client.get("/x", timeout=(9, 0.1)).error)
            """,
        )
    assert called.value == "timeout: no whole answer within 0.1 s"
    assert called.failures == {"timeout": 2}
    assert [event["ms"] for event in called.events] == [pytest.approx(200), pytest.approx(100)]
    assert called.totals["connections"] == server.connections == 2


def test_the_timeout_is_for_the_whole_answer(caller: Locust):
    """A server that sends a byte now and then cannot stretch a request past its time."""
    over = threading.Event()

    def dripping(peer: Peer) -> None:
        peer.read()
        peer.socket.sendall(OK + b"Content-Length: 10000\r\n\r\n")
        while not over.wait(0.02):
            peer.socket.sendall(b"x")

    with serve(dripping) as server:
        called = caller.call(server.url, 'client.get("/x")', network_timeout=0.3)
        over.set()
    assert called.failures == {"timeout": 1}


def test_a_timer_outlives_quick_requests(caller: Locust):
    """A request that begins before an earlier one's deadline has its full timeout."""

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            if exchange.target == "/slow":
                time.sleep(0.25)
            peer.answer()

    with serve(handler) as server:
        called = caller.call(
            server.url,
            """
            import gevent
            client.get("/quick", timeout=0.3)
            gevent.sleep(0.2)
            return client.get("/slow", timeout=5).status_code
            """,
        )
    assert called.value == 200


def closing_when_idle(peer: Peer) -> None:
    """Answer once, and close on the second request, unread."""
    peer.read()
    peer.answer()
    peer.read()


def test_a_stale_connection_is_reopened_for_a_safe_request_only(caller: Locust):
    """A GET on a connection the server closed is sent again, a POST is a failure."""
    with serve(closing_when_idle) as server:
        called = caller.call(
            server.url,
            """
            client.get("/a"); client.get("/b"); client.post("/c")
            """,
        )
    assert called.totals["reconnected"] == 1
    assert called.record["main GET /b"]["statuses"] == {"200": 1}
    assert called.record["main POST /c"]["errors"] == {"reset": 1}
    assert [each.target for each in server.requests] == ["/a", "/b", "/b", "/c"]


def test_a_connection_closed_while_idle_is_noticed(caller: Locust):
    """A connection the server has closed meanwhile is not used, be it for a POST."""

    def handler(peer: Peer) -> None:
        peer.read()
        peer.answer()

    with serve(handler) as server:
        called = caller.call(
            server.url,
            """
            import gevent
            client.get("/a")
            gevent.sleep(0.1)
            client.post("/b")
            """,
        )
    assert called.record["main POST /b"]["statuses"] == {"200": 1}
    assert (called.totals["connections"], called.totals["reconnected"]) == (2, 0)


def test_greenlets_of_one_user_have_connections_of_their_own(caller: Locust):
    """Requests at once go over as many connections, which then are shared."""
    together = threading.Barrier(3)

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            if exchange.target == "/x":
                together.wait(20)
            peer.answer()

    with serve(handler) as server:
        called = caller.call(
            server.url,
            """
            import gevent
            gevent.joinall([gevent.spawn(client.get, "/x") for _ in range(3)])
            for _ in range(5):
                client.get("/y")
            """,
        )
    assert called.totals == {"requests": 8, "connections": 3, "reconnected": 0, "abandoned": 0}
    assert server.connections == 3


def test_response_time_counts_from_when_a_request_was_due(caller: Locust):
    """The first request after `due_ns` was set bears the wait in its response time, no other."""
    with serve(answering()) as server:
        called = caller.call(
            server.url,
            """
            from time import monotonic_ns
            user.due_ns = monotonic_ns() - 500_000_000
            client.get("/late")
            client.get("/next")
            user.due_ns = monotonic_ns() + 500_000_000
            client.get("/early")
            """,
        )
    late = called.record["main GET /late"]
    assert late["response_ms"] - late["service_ms"] >= 500
    assert called.events[0]["ms"] >= 500
    for name in ("next", "early"):
        each = called.record[f"main GET /{name}"]
        assert each["response_ms"] - each["service_ms"] < 500
        assert 0 < each["first_byte_ms"] <= each["service_ms"]


def test_a_distant_host_is_refused_before_anything_is_sent(caller: Locust):
    """A URL that leads elsewhere ends the run with one sentence, and no request."""
    called = caller.call("http://127.0.0.1:9", 'client.get("http://192.0.2.1/x")')
    assert called.value == "exception: GreenletExit: "
    (message,) = called.setup_failures
    assert "192.0.2.1 is not this machine" in message
    assert called.totals["requests"] == 0


def test_a_killed_user_ends_its_request_where_locust_has_promised_time(caller: Locust):
    """Killed with a stop timeout, a user hears the answer under way, and only then ends."""
    text = """
        import gevent
        user.environment.stop_timeout = {stop_timeout}
        own = type(user)(user.environment)
        greenlet = gevent.spawn(lambda: [own.client.get("/x") for _ in range(2)])
        gevent.sleep(0.1)
        greenlet.kill()
        user.environment.stop_timeout = 0
        own.on_stop()
    """

    def slow(peer: Peer) -> None:
        while peer.read() is not None:
            time.sleep(0.3)
            peer.answer()

    with serve(slow) as server:
        spared = caller.call(server.url, text.format(stop_timeout=10))
        cut = caller.call(server.url, text.format(stop_timeout=0))
    assert (spared.totals["requests"], spared.totals["abandoned"]) == (1, 0)
    assert (cut.totals["requests"], cut.totals["abandoned"]) == (0, 1)


def test_a_user_with_an_on_stop_of_its_own_leaves_nothing_open(caller: Locust):
    """Whatever `on_stop` of a plain Locust class does, its connection is closed, its seat free."""
    closed = threading.Event()

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.answer()
        closed.set()

    with serve(handler) as server:
        called = caller.call(
            server.url,
            """
            def on_stop(self):
                self.said = self.client.get("/bye").status_code

            own = type("Own", (type(user),), {"on_stop": on_stop})
            first = own(user.environment)
            first.client.get("/x")
            first.on_stop()
            second = own(user.environment)
            second.on_stop()
            return [first.said, second.journey_user.index - first.journey_user.index]
            """,
        )
        assert closed.wait(20)
    assert called.value == [200, 0]
