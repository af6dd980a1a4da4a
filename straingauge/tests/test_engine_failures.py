"""Each way a request can fail, provoked by a server that really does it."""

import gzip

import pytest
from raw_server import Handler, Peer, answering, hang_up, saying, serve
from single_journey import peak_bytes, run_journey
from straingauge.engine import Load, run_load
from straingauge.http import ErrorKind, RequestFailed
from straingauge.journey import Pause, User, mix
from straingauge.recording import Recorder
from straingauge.schedule import constant_users
from straingauge.target.ports import free_port

pytestmark = pytest.mark.usefixtures("nothing_left_open")


def reset(peer: Peer) -> None:
    """Reset instead of an answer."""
    peer.read()
    peer.reset()


def reset_within(peer: Peer) -> None:
    """Reset within the body; whether its beginning is still read is up to the kernel."""
    peer.read()
    peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    peer.reset()


def large(start: bytes, piece: bytes) -> Handler:
    """100 MB of one thing."""

    def handler(peer: Peer) -> None:
        peer.read()
        peer.socket.sendall(start)
        for _ in range(100_000_000 // len(piece)):
            peer.socket.sendall(piece)

    return handler


OK = b"HTTP/1.1 200 OK\r\n"
LARGE = {
    "many headers": large(OK, b"X-A: " + b"a" * 60_000 + b"\r\n"),
    "one header": large(OK + b"X-A: ", b"a" * 60_000),
    "interim answers": large(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000),
    "a body with a length": large(OK + b"Content-Length: 100000000\r\n\r\n", b"a" * 60_000),
    "a chunked body": large(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"ea60\r\n" + b"a" * 60_000 + b"\r\n"
    ),
    "a body until the end": large(OK + b"\r\n", b"a" * 60_000),
    "trailers": large(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 2_000),
}


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (reset, ErrorKind.RESET),
        (hang_up, ErrorKind.RESET),
        (reset_within, ErrorKind.RESET),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), ErrorKind.SHORT_BODY),
        (
            saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            ErrorKind.SHORT_BODY,
        ),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Le"), ErrorKind.SHORT_BODY),
        (saying(b"220 smtp.example.com ESMTP\r\n"), ErrorKind.PROTOCOL),
        (saying(b"\x00" * 1_000), ErrorKind.PROTOCOL),
        (saying(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), ErrorKind.PROTOCOL),
        (answering(500), ErrorKind.BAD_STATUS),
        (answering(404), ErrorKind.BAD_STATUS),
        (answering(422), ErrorKind.BAD_STATUS),
        (answering(302, headers="Location: /\r\n"), ErrorKind.BAD_STATUS),
        (answering(429, headers="Retry-After: 1\r\n"), ErrorKind.RATE_LIMITED),
    ],
)
def test_each_misbehaviour_has_its_kind(handler: Handler, kind: ErrorKind):
    """A server's error is counted once, as the right kind."""
    with serve(handler) as server:
        series, report = run_journey(server.url)
    assert series.requests == 1
    assert series.rate_limited.count == (1 if kind is ErrorKind.RATE_LIMITED else 0)
    assert dict(series.errors) == ({} if kind is ErrorKind.RATE_LIMITED else {kind: 1})
    assert report.sent == 1


@pytest.mark.parametrize("what", LARGE)
def test_large_responses_are_cut_off_in_bounded_memory(what: str, monkeypatch: pytest.MonkeyPatch):
    """Of 100 MB in a head, or in a body past the limit, little is kept, and it is a failure."""
    monkeypatch.setattr("straingauge.http.codec.MAX_BODY_BYTES", 1_000_000)
    with serve(LARGE[what]) as server, peak_bytes() as peak:
        series, _ = run_journey(server.url)
    assert dict(series.errors) == {ErrorKind.PROTOCOL: 1}
    assert "bytes" in series.examples[0].detail
    assert peak() < 8_000_000


@pytest.mark.parametrize("layers", [1, 2])
def test_a_decompression_bomb_is_an_error_in_bounded_memory(
    layers: int, monkeypatch: pytest.MonkeyPatch
):
    """A small body that would inflate to 100 MB is cut off at the limit, and it is a failure."""
    monkeypatch.setattr("straingauge.http.decoding.MAX_BODY_BYTES", 1_000_000)
    bomb = b"\0" * 100_000_000
    for _ in range(layers):
        bomb = gzip.compress(bomb)

    def journey(user: User):
        yield user.get("/x", checks=[lambda response: None if response.body else "empty"])

    coding = ", ".join(["gzip"] * layers)
    bombing = answering(body=bomb, headers=f"Content-Encoding: {coding}\r\n")
    with serve(bombing) as server, peak_bytes() as peak:
        series, _ = run_journey(server.url, journey)
    assert dict(series.errors) == {ErrorKind.FAILED_CHECK: 1}
    assert "inflates to more than 1000000" in series.examples[0].detail
    assert peak() < 8_000_000


def test_a_closed_port_is_refused():
    """A closed port is a refused connection, not a crash."""
    series, report = run_journey(f"http://127.0.0.1:{free_port()}")
    assert dict(series.errors) == {ErrorKind.REFUSED: 1}
    assert (report.sent, report.connections) == (0, 0)


def test_a_failed_check_is_an_error_with_its_words():
    """A fine status with wrong content is an error that says what was wrong."""

    def journey(user: User):
        yield user.get("/x", checks=[lambda r: None if r.json()["ok"] else "not ok"])

    with serve(answering(body=b'{"ok": false}')) as server:
        series, _ = run_journey(server.url, journey)
    assert dict(series.errors) == {ErrorKind.FAILED_CHECK: 1}
    assert series.examples[0].detail == "not ok"


def test_a_journey_that_raises_is_counted_and_the_run_goes_on():
    """An exception in the journey is its own error beside its request, which was fine."""

    def journey(user: User):
        got = yield user.get("/x")
        got.json()["missing"]

    with serve(answering()) as server:
        recorder = Recorder()
        load = Load(
            server.url, constant_users(count=2, iterations=3), mix(journey), [User(0), User(1)]
        )
        run_load(load, recorder)
    series = recorder.snapshot().endpoints("main")["GET /x"]
    assert (series.requests, series.statuses[200]) == (6, 6)
    assert dict(series.errors) == {ErrorKind.JOURNEY_ERROR: 6}
    assert "KeyError: 'missing'" in series.examples[0].detail


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["pause", "timeout"])
def test_a_time_that_never_comes_is_the_journeys_error(what: str, nonsense: float):
    """A pause or a timeout without an end is counted as the journey's, and hangs nothing."""

    def journey(user: User):
        yield user.get("/x")
        yield Pause(nonsense) if what == "pause" else user.get("/x", timeout_s=nonsense)

    with serve(answering()) as server:
        series, report = run_journey(server.url, journey)
    assert (series.statuses[200], report.sent) == (1, 1)
    assert dict(series.errors) == {ErrorKind.JOURNEY_ERROR: 1}


def test_a_journey_that_fails_before_its_first_request_ends():
    """A journey broken from the start is counted under its own name and does not spin."""

    def broken(user: User):
        raise RuntimeError(user.data["nothing"])
        yield

    recorder = Recorder()
    load = Load(
        "http://127.0.0.1:9", constant_users(count=1, duration_s=0.3), mix(broken), [User(0)]
    )
    report = run_load(load, recorder)
    series = recorder.snapshot().endpoints("main")["journey broken"]
    assert series.requests == 0
    assert series.errors[ErrorKind.JOURNEY_ERROR] == report.journeys
    assert 1 <= report.journeys <= 31


def test_a_journey_can_catch_a_failure_and_go_on():
    """After a failure that is caught, the next request goes over a new connection."""

    def journey(user: User):
        try:
            yield user.get("/first")
        except RequestFailed as failure:
            user.data["kind"] = failure.kind
        yield user.get("/second")

    def handler(peer: Peer) -> None:
        exchange = peer.read()
        if exchange and exchange.target == "/second":
            peer.answer()

    with serve(handler) as server:
        series, report = run_journey(server.url, journey)
    assert (series.requests, series.statuses[200], series.errors[ErrorKind.RESET]) == (2, 1, 1)
    assert report.connections == 2


def closing_when_idle(answers: int) -> Handler:
    """Take one request more than it answers on each connection, and close on it unread."""

    def handler(peer: Peer) -> None:
        for _ in range(answers):
            if peer.read() is None:
                return
            peer.answer()
        peer.read()

    return handler


def test_a_stale_connection_is_reopened_once_for_a_safe_request():
    """A kept connection the server closed unanswered costs a GET nothing but a reconnection."""

    def journey(user: User):
        for _ in range(3):
            yield user.get("/x")

    with serve(closing_when_idle(1)) as server:
        series, report = run_journey(server.url, journey)
    assert (series.requests, series.statuses[200], dict(series.errors)) == (3, 3, {})
    assert (report.reconnected, report.connections) == (2, 3)


def test_a_post_that_meets_a_closed_idle_connection_has_its_own_kind():
    """A connection that the server closes after a pause differs from a reset under load."""

    def journey(user: User):
        for pause_s in (0.0, 1.0):
            yield user.get("/x")
            yield Pause(pause_s)
            yield user.post("/x", json={})

    with serve(closing_when_idle(3)) as server:
        series, _ = run_journey(server.url, journey)
    assert (series.statuses[200], dict(series.errors)) == (3, {ErrorKind.IDLE_CLOSED: 1})
    assert "idle for 1.0" in series.examples[0].detail


def test_a_connection_closed_between_two_requests_is_counted():
    """The server's timeout for idle connections shows in the engine's statistics."""

    def journey(user: User):
        yield user.get("/x")
        yield Pause(0.1)
        yield user.post("/x", json={})

    def handler(peer: Peer) -> None:
        if peer.read() is not None:
            peer.answer()

    with serve(handler) as server:
        series, stats = run_journey(server.url, journey)
    assert (series.statuses[200], dict(series.errors), stats.closed_idle) == (2, {}, 1)


def test_a_post_is_never_repeated():
    """A request that may have been processed is not sent twice: its failure is counted."""

    def journey(user: User):
        yield user.get("/x")
        yield user.post("/x", json={})

    with serve(closing_when_idle(1)) as server:
        series, report = run_journey(server.url, journey)
        posts = [each for each in server.requests if each.method == "POST"]
    assert dict(series.errors) == {ErrorKind.RESET: 1}
    assert (len(posts), report.reconnected) == (1, 0)


def test_retries_at_a_server_that_always_closes_are_bounded():
    """A repeated request that fails again is a failure: one reconnection, no loop."""

    def journey(user: User):
        yield user.get("/x")
        yield user.get("/x")

    def handler(peer: Peer) -> None:
        first = peer.read()
        if first and len(peer.server.requests) == 1:
            peer.answer()
            peer.read()

    with serve(handler) as server:
        series, report = run_journey(server.url, journey)
    assert (series.requests, dict(series.errors)) == (2, {ErrorKind.RESET: 1})
    assert (report.reconnected, len(server.requests)) == (1, 3)
