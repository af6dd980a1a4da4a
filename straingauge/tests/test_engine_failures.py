"""Each way a request can fail, provoked by a server that really does it."""

import socket
import ssl
import subprocess
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import uvloop
from serving import Handler, Peer, answering, serve
from straingauge.engine import EngineReport, Load, play
from straingauge.journey import FilePart, Journey, Kind, Pause, RequestFailed, Upload, User, mix
from straingauge.record import Recorder, Series
from straingauge.schedule import users


@pytest.fixture(scope="module", autouse=True)
def _first_run() -> None:
    """The first loop of a process opens a pipe that stays, whatever is played."""
    uvloop.new_event_loop().close()


@pytest.fixture(autouse=True)
def _nothing_left_open(_first_run: None) -> Iterator[None]:
    """However a connection fails, its file descriptor is closed when the run is over."""
    before = psutil.Process().num_fds()
    yield
    assert psutil.Process().num_fds() == before


def get(user: User):
    """One GET."""
    yield user.get("/x")


def played(url: str, journey: Journey = get, **settings: object) -> tuple[Series, EngineReport]:
    """One user's single journey, with what was recorded of it."""
    recorder = Recorder()
    load = Load(
        url, users(count=1, iterations=1), mix(journey), [User(0)], **{"timeout_s": 20.0} | settings
    )
    report = play(load, recorder)
    return recorder.snapshot().total("main"), report


def reset(peer: Peer) -> None:
    """Reset instead of an answer."""
    peer.read()
    peer.reset()


def hang_up(peer: Peer) -> None:
    """Close instead of an answer."""
    peer.read()


def saying(data: bytes) -> Handler:
    """Say this, whatever was asked, and close."""

    def handler(peer: Peer) -> None:
        peer.read()
        peer.socket.sendall(data)

    return handler


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
    "a body till the end": large(OK + b"\r\n", b"a" * 60_000),
    "trailers": large(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 2_000),
}


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (reset, Kind.RESET),
        (hang_up, Kind.RESET),
        (reset_within, Kind.RESET),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), Kind.SHORT_BODY),
        (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), Kind.SHORT_BODY),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Le"), Kind.SHORT_BODY),
        (saying(b"220 smtp.example.com ESMTP\r\n"), Kind.PROTOCOL),
        (saying(b"\x00" * 1_000), Kind.PROTOCOL),
        (saying(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), Kind.PROTOCOL),
        (answering(500), Kind.BAD_STATUS),
        (answering(404), Kind.BAD_STATUS),
        (answering(422), Kind.BAD_STATUS),
        (answering(302, headers="Location: /\r\n"), Kind.BAD_STATUS),
        (answering(429, headers="Retry-After: 1\r\n"), Kind.RATE_LIMITED),
    ],
)
def test_each_misbehaviour_has_its_kind(handler: Handler, kind: Kind):
    """What a server does wrong is counted once, as the kind it is."""
    with serve(handler) as server:
        series, report = played(server.url)
    assert series.requests == 1
    assert series.limited.count == (1 if kind is Kind.RATE_LIMITED else 0)
    assert dict(series.errors) == ({} if kind is Kind.RATE_LIMITED else {kind: 1})
    assert report.sent == 1


@contextmanager
def peak_bytes() -> Iterator[Callable[[], int]]:
    """Tells the most that was allocated at once."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("what", LARGE)
def test_what_is_too_large_is_cut_off_in_bounded_memory(what: str, monkeypatch: pytest.MonkeyPatch):
    """Of 100 MB in a head, or in a body past the limit, little is kept, and it is a failure."""
    monkeypatch.setattr("straingauge.wire.MAX_BODY_BYTES", 1_000_000)
    with serve(LARGE[what]) as server, peak_bytes() as peak:
        series, _ = played(server.url)
    assert dict(series.errors) == {Kind.PROTOCOL: 1}
    assert "bytes" in series.examples[0].detail
    assert peak() < 8_000_000


def test_nobody_listening_is_refused():
    """A closed port is a refused connection, not a crash."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    series, report = played(f"http://127.0.0.1:{port}")
    assert dict(series.errors) == {Kind.REFUSED: 1}
    assert (report.sent, report.connections) == (0, 0)


def silent(over: threading.Event) -> Handler:
    """Never answer."""

    def handler(peer: Peer) -> None:
        peer.read()
        over.wait(20)

    return handler


def dripping_after(start: bytes) -> Callable[[threading.Event], Handler]:
    """A beginning, then a byte now and then, for ever."""

    def dripping(over: threading.Event) -> Handler:
        def handler(peer: Peer) -> None:
            peer.read()
            peer.socket.sendall(start)
            while not over.wait(0.02):
                peer.socket.sendall(b".")

        return handler

    return dripping


@pytest.mark.parametrize(
    "how",
    [
        silent,
        dripping_after(b"HTTP/1.1 200 "),
        dripping_after(b"HTTP/1.1 200 OK\r\nX-A: "),
        dripping_after(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        dripping_after(b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=["silent", "the status drips", "the head drips", "the body drips", "no end in sight"],
)
@pytest.mark.parametrize("own", [True, False], ids=["of the request", "of the load"])
def test_no_answer_in_time_is_a_timeout(how, own: bool):  # noqa: ANN001, FBT001  parametrized
    """Silence and dripping end at the deadline, and the wait counts as latency."""

    def journey(user: User):
        yield user.get("/x", timeout_s=0.3 if own else None)

    over = threading.Event()
    with serve(how(over)) as server:
        series, _ = played(server.url, journey, **({} if own else {"timeout_s": 0.3}))
        over.set()
    assert dict(series.errors) == {Kind.TIMEOUT: 1}
    assert series.response.count == 1
    assert 300_000_000 <= (series.response.min_ns or 0) < 10_000_000_000


def test_a_connection_never_accepted_is_a_timeout():
    """A server that is there but never gets round to accepting is a timeout, too."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        queue = [socket.socket() for _ in range(4)]
        for waiting in queue:
            waiting.settimeout(0)
            waiting.connect_ex(address)
        series, _ = played(f"http://127.0.0.1:{address[1]}", timeout_s=0.3)
        for waiting in queue:
            waiting.close()
    assert dict(series.errors) == {Kind.TIMEOUT: 1}
    assert series.service.sum_ns == series.response.sum_ns >= 300_000_000


def test_plain_http_where_tls_is_due_is_a_tls_error():
    """TLS with a server that does not speak it fails as TLS."""

    def plain(peer: Peer) -> None:
        peer.socket.recv(65536)
        peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serve(plain) as server:
        series, _ = played(f"https://127.0.0.1:{server.port}")
    assert dict(series.errors) == {Kind.TLS: 1}


def certified(path: Path, host: str) -> Path:
    """A self-signed certificate for a host, with its key, made for this run."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", f"/CN={host}",
         "-addext", f"subjectAltName=DNS:{host}",
         "-keyout", str(path), "-out", f"{path}.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost."""
    return certified(tmp_path_factory.mktemp("tls") / "localhost.pem", "localhost")


def speaking_tls(certificate: Path) -> ssl.SSLContext:
    """A server's side of TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return tls


def test_tls_is_spoken_where_the_certificate_is_trusted(certificate: Path):
    """A trusted certificate gives a good answer, one nobody vouches for a TLS error."""
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    with serve(answering(), speaking_tls(certificate)) as server:
        url = f"https://localhost:{server.port}"
        good, _ = played(url, tls=trusting)
        bad, _ = played(url)
    assert (dict(good.errors), good.statuses[200]) == ({}, 1)
    assert dict(bad.errors) == {Kind.TLS: 1}
    assert "certificate" in bad.examples[0].detail


def test_another_hosts_certificate_is_a_tls_error(tmp_path: Path):
    """A certificate that is trusted, but for another host, is no answer from this one."""
    other = certified(tmp_path / "other.pem", "other.example")
    trusting = ssl.create_default_context(cafile=f"{other}.crt")
    with serve(answering(), speaking_tls(other)) as server:
        series, report = played(f"https://localhost:{server.port}", tls=trusting)
    assert dict(series.errors) == {Kind.TLS: 1}
    assert "localhost" in series.examples[0].detail
    assert (report.sent, len(server.requests)) == (0, 0)


def hello_then_close(peer: Peer) -> None:
    """Hang up on a client's hello."""
    peer.socket.recv(65536)


def hello_then_reset(peer: Peer) -> None:
    """Reset on a client's hello."""
    peer.socket.recv(65536)
    peer.reset()


@pytest.mark.parametrize(
    ("ending", "kind"), [(hello_then_close, Kind.TLS), (hello_then_reset, Kind.RESET)]
)
def test_tls_that_ends_in_the_handshake_has_its_kind(ending: Handler, kind: Kind):
    """A server that hangs up on a client's hello does not speak TLS with it; a reset is one."""
    with serve(ending) as server:
        series, report = played(f"https://127.0.0.1:{server.port}")
    assert dict(series.errors) == {kind: 1}
    assert report.connections == 0


def test_tls_that_stops_in_the_handshake_is_a_timeout():
    """A handshake that goes nowhere ends at the request's deadline."""
    over = threading.Event()

    def stopping(peer: Peer) -> None:
        peer.socket.recv(65536)
        over.wait(20)

    with serve(stopping) as server:
        series, report = played(f"https://127.0.0.1:{server.port}", timeout_s=0.3)
        over.set()
    assert dict(series.errors) == {Kind.TIMEOUT: 1}
    assert report.connections == 0


def test_a_crowd_that_connects_at_once_waits_at_the_door():
    """Of 300 users who all open a connection, 64 do so at once: no accept queue is flooded."""
    over = threading.Event()

    def stopping(_: Peer) -> None:
        over.wait(20)

    recorder = Recorder()
    crowd = [User(n) for n in range(300)]
    with serve(stopping) as server:
        url = f"https://127.0.0.1:{server.port}"
        play(Load(url, users(count=300, iterations=1), mix(get), crowd, timeout_s=1), recorder)
        over.set()
    assert dict(recorder.snapshot().total("main").errors) == {Kind.TIMEOUT: 300}
    assert 64 <= server.connections < 200


def test_tls_that_breaks_off_in_the_body_is_a_short_body(certificate: Path):
    """A TLS connection cut off within a response, with no farewell, is as short as any other."""
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    cut = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    with serve(cut, speaking_tls(certificate)) as server:
        series, _ = played(f"https://localhost:{server.port}", tls=trusting)
    assert dict(series.errors) == {Kind.SHORT_BODY: 1}


def test_a_failed_check_is_an_error_with_its_words():
    """A fine status with wrong content is an error that says what was wrong."""

    def journey(user: User):
        yield user.get("/x", checks=[lambda r: None if r.json()["ok"] else "not ok"])

    with serve(answering(body=b'{"ok": false}')) as server:
        series, _ = played(server.url, journey)
    assert dict(series.errors) == {Kind.FAILED_CHECK: 1}
    assert series.examples[0].detail == "not ok"


def test_a_journey_that_raises_is_counted_and_the_run_goes_on():
    """An exception in the journey is its own error beside its request, which was fine."""

    def journey(user: User):
        got = yield user.get("/x")
        got.json()["missing"]

    with serve(answering()) as server:
        recorder = Recorder()
        load = Load(server.url, users(count=2, iterations=3), mix(journey), [User(0), User(1)])
        play(load, recorder)
    series = recorder.snapshot().endpoints("main")["GET /x"]
    assert (series.requests, series.statuses[200]) == (6, 6)
    assert dict(series.errors) == {Kind.JOURNEY_ERROR: 6}
    assert "KeyError: 'missing'" in series.examples[0].detail


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["pause", "timeout"])
def test_a_time_that_never_comes_is_the_journeys_error(what: str, nonsense: float):
    """A pause or a timeout without an end is counted as the journey's, and hangs nothing."""

    def journey(user: User):
        yield user.get("/x")
        yield Pause(nonsense) if what == "pause" else user.get("/x", timeout_s=nonsense)

    with serve(answering()) as server:
        series, report = played(server.url, journey)
    assert (series.statuses[200], report.sent) == (1, 1)
    assert dict(series.errors) == {Kind.JOURNEY_ERROR: 1}


def test_a_journey_that_fails_before_its_first_request_ends():
    """A journey broken from the start is counted under its own name and does not spin."""

    def broken(user: User):
        raise RuntimeError(user.data["nothing"])
        yield

    recorder = Recorder()
    load = Load("http://127.0.0.1:9", users(count=1, duration_s=0.3), mix(broken), [User(0)])
    report = play(load, recorder)
    series = recorder.snapshot().endpoints("main")["journey broken"]
    assert series.requests == 0
    assert series.errors[Kind.JOURNEY_ERROR] == report.journeys
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
        series, report = played(server.url, journey)
    assert (series.requests, series.statuses[200], series.errors[Kind.RESET]) == (2, 1, 1)
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
        series, report = played(server.url, journey)
    assert (series.requests, series.statuses[200], dict(series.errors)) == (3, 3, {})
    assert (report.reconnected, report.connections) == (2, 3)


def test_a_post_is_never_repeated():
    """What may have been done already is not sent twice: the failure is counted instead."""

    def journey(user: User):
        yield user.get("/x")
        yield user.post("/x", json={})

    with serve(closing_when_idle(1)) as server:
        series, report = played(server.url, journey)
        posts = [each for each in server.requests if each.method == "POST"]
    assert dict(series.errors) == {Kind.RESET: 1}
    assert (len(posts), report.reconnected) == (1, 0)


def test_a_server_that_always_closes_is_not_asked_for_ever():
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
        series, report = played(server.url, journey)
    assert (series.requests, dict(series.errors)) == (2, {Kind.RESET: 1})
    assert (report.reconnected, len(server.requests)) == (1, 3)


def test_an_upload_whose_file_vanishes_is_the_journeys_error(tmp_path: Path):
    """A file that cannot be read is no fault of the service's."""
    file = tmp_path / "gone"
    file.write_bytes(b"a" * 10)

    def journey(user: User):
        upload = Upload({}, {"file": FilePart(file)})
        file.unlink()
        yield user.post("/x", upload=upload)

    with serve(hang_up) as server:
        series, _ = played(server.url, journey)
    assert dict(series.errors) == {Kind.JOURNEY_ERROR: 1}


def test_an_early_answer_ends_an_upload(tmp_path: Path):
    """An answer before the upload is whole (413) counts as that answer."""
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(30_000_000)
    uploaded = Upload({}, {"file": FilePart(file)})

    def journey(user: User):
        yield user.post("/x", upload=uploaded, expect=(413,))
        yield user.get("/x", expect=(413,))

    def handler(peer: Peer) -> None:
        while b"\r\n\r\n" not in peer.socket.recv(65536):
            pass
        peer.answer(413)
        while peer.socket.recv(1 << 20):
            pass

    with serve(handler) as server:
        series, report = played(server.url, journey)
    assert (dict(series.errors), series.statuses[413]) == ({}, 2)
    assert report.connections == 2
