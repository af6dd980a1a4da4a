"""The HTTP client of a Locust user, against servers that control every byte."""

import threading
import time

import pytest
from locust_caller import RUN_JOURNEY, Locust
from raw_server import Handler, Peer, answering, hang_up, saying, serve
from single_journey import run_journey
from straingauge.http import ErrorKind


def reset(peer: Peer) -> None:
    """Reset the connection instead of responding."""
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
        saying(OK + b"\r\nuntil the end"),
        saying(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}"),
        saying(b"220 smtp.example.com ESMTP\r\n"),
        saying(b"\x00" * 1_000),
        answering(500),
        answering(302, headers="Location: /\r\n"),
        answering(429, headers="Retry-After: 1\r\n"),
        answering(204, body=b""),
    ],
)
def test_a_journey_has_the_same_outcome_as_in_the_engine(caller: Locust, handler: Handler):
    """Whatever the server does, a journey's request ends the same in Locust as in the engine."""
    with serve(handler) as server:
        series, report = run_journey(server.url)
    with serve(handler) as server:
        outcome = caller.call(server.url, RUN_JOURNEY)
    limited = (
        {ErrorKind.RATE_LIMITED: series.rate_limited.count} if series.rate_limited.count else {}
    )
    assert outcome.failures == dict(series.errors) | limited
    (figures,) = outcome.record.values()
    assert figures["statuses"] == {str(key): count for key, count in series.statuses.items()}
    assert figures["examples"] == [each.detail for each in series.examples]
    assert outcome.totals["connections"] == report.connections == 1


def test_a_closed_port_is_refused(caller: Locust):
    """A closed port is a refused connection with status 0, reported and recorded once."""
    outcome = caller.call(
        "http://127.0.0.1:9",
        """
        answer = client.get("/x")
        return [answer.status_code, answer.ok, answer.content, str(answer.error)]
        """,
    )
    assert outcome.value == [0, False, None, "refused: 127.0.0.1 port 9 refused"]
    assert outcome.failures == {"refused": 1}
    (event,) = outcome.events
    assert event["exception"] == "refused: 127.0.0.1 port 9 refused"


def test_failed_and_slow_requests_keep_their_trace_ids(caller: Locust):
    """Each request has its own traceparent, and a failed or slow one is found by it."""
    with serve(answering(500)) as server:
        outcome = caller.call(server.url, "[client.get('/x') for _ in range(2)]")
    headers = [request.head.partition("traceparent: ")[2] for request in server.requests]
    sent = [header.partition("\r\n")[0].split("-") for header in headers]
    assert len({trace_id for _, trace_id, *_ in sent}) == 2
    assert {(version, flags) for version, _, _, flags in sent} == {("00", "00")}
    (figures,) = outcome.record.values()
    assert figures["example_traces"] == [trace_id for _, trace_id, *_ in sent]
    assert set(figures["slow_traces"]) == set(figures["example_traces"])


def test_an_unsent_request_has_no_trace(caller: Locust):
    """A request that could not be sent has no trace to look for."""
    outcome = caller.call("http://127.0.0.1:9", "client.get('/x')")
    (figures,) = outcome.record.values()
    assert figures["example_traces"] == [""]


def silent(peer: Peer) -> None:
    """Never answer."""
    peer.read()
    peer.read()


def test_a_late_response_is_a_timeout(caller: Locust):
    """A request without a response times out exactly then; the next one has its own timeout."""
    with serve(silent) as server:
        outcome = caller.call(
            server.url,
            """
            client.get("/x", timeout=0.2)
            return str(client.get("/x", timeout=(9, 0.1)).error)
            """,
        )
    assert outcome.value == "timeout: no complete response within 0.1 s"
    assert outcome.failures == {"timeout": 2}
    assert [event["ms"] for event in outcome.events] == [pytest.approx(200), pytest.approx(100)]
    assert outcome.totals["connections"] == server.connections == 2


def test_the_timeout_is_for_the_whole_response(caller: Locust):
    """A server that keeps sending single bytes cannot extend a request past its timeout."""
    over = threading.Event()

    def dripping(peer: Peer) -> None:
        peer.read()
        peer.socket.sendall(OK + b"Content-Length: 10000\r\n\r\n")
        while not over.wait(0.02):
            peer.socket.sendall(b"x")

    with serve(dripping) as server:
        outcome = caller.call(server.url, 'client.get("/x")', network_timeout=0.3)
        over.set()
    assert outcome.failures == {"timeout": 1}


def test_a_timer_outlives_quick_requests(caller: Locust):
    """A request that starts before an earlier one's deadline has its full timeout."""

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            if exchange.target == "/slow":
                time.sleep(0.25)
            peer.answer()

    with serve(handler) as server:
        outcome = caller.call(
            server.url,
            """
            import gevent
            client.get("/quick", timeout=0.3)
            gevent.sleep(0.2)
            return client.get("/slow", timeout=5).status_code
            """,
        )
    assert outcome.value == 200


def closing_when_idle(peer: Peer) -> None:
    """Respond once, and close on the second request without reading it."""
    peer.read()
    peer.answer()
    peer.read()


def test_a_stale_connection_is_reopened_for_a_safe_request_only(caller: Locust):
    """A GET on a connection the server closed is sent again, a POST is a failure."""
    with serve(closing_when_idle) as server:
        outcome = caller.call(
            server.url,
            """
            client.get("/a"); client.get("/b"); client.post("/c")
            """,
        )
    assert outcome.totals["reconnected"] == 1
    assert outcome.record["main GET /b"]["statuses"] == {"200": 1}
    assert outcome.record["main POST /c"]["errors"] == {"reset": 1}
    assert [each.target for each in server.requests] == ["/a", "/b", "/b", "/c"]


def test_a_connection_closed_while_idle_is_noticed(caller: Locust):
    """A connection that the server has closed is not used again, not even for a POST."""

    def handler(peer: Peer) -> None:
        peer.read()
        peer.answer()

    with serve(handler) as server:
        outcome = caller.call(
            server.url,
            """
            import gevent
            client.get("/a")
            gevent.sleep(0.1)
            client.post("/b")
            """,
        )
    assert outcome.record["main POST /b"]["statuses"] == {"200": 1}
    assert (outcome.totals["connections"], outcome.totals["reconnected"]) == (2, 0)
    assert outcome.totals["closed_idle"] == 1


def test_greenlets_of_one_user_have_separate_connections(caller: Locust):
    """Concurrent requests use one connection each, and later requests reuse them."""
    all_sent = threading.Barrier(3)

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            if exchange.target == "/x":
                all_sent.wait(20)
            peer.answer()

    with serve(handler) as server:
        outcome = caller.call(
            server.url,
            """
            import gevent
            gevent.joinall([gevent.spawn(client.get, "/x") for _ in range(3)])
            for _ in range(5):
                client.get("/y")
            """,
        )
    assert outcome.totals == {
        "requests": 8,
        "connections": 3,
        "reconnected": 0,
        "closed_idle": 0,
        "abandoned": 0,
    }
    assert server.connections == 3


def test_response_time_counts_from_when_a_request_was_due(caller: Locust):
    """The response time of the first request after `due_ns` was set includes the wait."""
    with serve(answering()) as server:
        outcome = caller.call(
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
    late = outcome.record["main GET /late"]
    assert late["response_ms"] - late["service_ms"] >= 500
    assert outcome.events[0]["ms"] >= 500
    for name in ("next", "early"):
        each = outcome.record[f"main GET /{name}"]
        assert each["response_ms"] - each["service_ms"] < 500
        assert 0 < each["first_byte_ms"] <= each["service_ms"]


def test_a_distant_host_is_refused_before_anything_is_sent(caller: Locust):
    """A URL of another host ends the run with one message and without a request."""
    outcome = caller.call("http://127.0.0.1:9", 'client.get("http://192.0.2.1/x")')
    assert outcome.value == "exception: GreenletExit: "
    (message,) = outcome.setup_failures
    assert "192.0.2.1 is not this machine" in message
    assert outcome.totals["requests"] == 0


def test_a_killed_user_finishes_its_request_within_the_stop_timeout(caller: Locust):
    """With a stop timeout, a killed user receives the response in flight before it ends."""
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


def test_a_user_that_overrides_on_stop_leaves_nothing_open(caller: Locust):
    """Whatever `on_stop` does, the connection is closed and the account released."""
    closed = threading.Event()

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.answer()
        closed.set()

    with serve(handler) as server:
        outcome = caller.call(
            server.url,
            """
            def on_stop(self):
                self.status = self.client.get("/bye").status_code

            own = type("Own", (type(user),), {"on_stop": on_stop})
            first = own(user.environment)
            first.client.get("/x")
            first.on_stop()
            second = own(user.environment)
            second.on_stop()
            return [first.status, second.journey_user.index - first.journey_user.index]
            """,
        )
        assert closed.wait(20)
    assert outcome.value == [200, 0]
