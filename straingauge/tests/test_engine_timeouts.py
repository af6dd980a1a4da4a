"""Timeouts, and the requests that must wait."""

import socket
import threading
from collections.abc import Callable

import pytest
from raw_server import Handler, Peer, serve
from single_journey import get, run_journey
from straingauge.engine import Load, run_load
from straingauge.http import ErrorKind
from straingauge.journey import User, mix
from straingauge.recording import Recorder
from straingauge.schedule import constant_users

pytestmark = pytest.mark.usefixtures("nothing_left_open")


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
        series, _ = run_journey(server.url, journey, **({} if own else {"timeout_s": 0.3}))
        over.set()
    assert dict(series.errors) == {ErrorKind.TIMEOUT: 1}
    assert series.response.count == 1
    assert 300_000_000 <= (series.response.min_ns or 0) < 10_000_000_000


def test_a_connection_never_accepted_is_a_connect_timeout():
    """A connection that the server never accepts is no slow response."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        queue = [socket.socket() for _ in range(4)]
        for waiting in queue:
            waiting.settimeout(0)
            waiting.connect_ex(address)
        series, _ = run_journey(f"http://127.0.0.1:{address[1]}", timeout_s=0.3)
        for waiting in queue:
            waiting.close()
    assert dict(series.errors) == {ErrorKind.CONNECT_TIMEOUT: 1}
    assert series.service.sum_ns == series.response.sum_ns >= 300_000_000


def test_simultaneous_connections_wait_for_the_connect_limit():
    """Of 300 users who all open a connection, 64 do so at once: no accept queue is flooded."""
    over = threading.Event()

    def stopping(_: Peer) -> None:
        over.wait(20)

    recorder = Recorder()
    crowd = [User(n) for n in range(300)]
    with serve(stopping) as server:
        url = f"https://127.0.0.1:{server.port}"
        run_load(
            Load(url, constant_users(count=300, iterations=1), mix(get), crowd, timeout_s=1),
            recorder,
        )
        over.set()
    assert dict(recorder.snapshot().total("main").errors) == {ErrorKind.CONNECT_TIMEOUT: 300}
    assert 64 <= server.connections < 200
