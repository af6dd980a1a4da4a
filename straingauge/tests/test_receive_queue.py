"""Whose turn it is: stamps first, then work, a slice at a time."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable

import pytest
import uvloop
from serving import Peer, serve
from straingauge.engine.connection import Connection
from straingauge.engine.receive_queue import Reader, Received, ReceiveQueue
from straingauge.http import FilePart, Request, RequestFailed, Response, Upload
from straingauge.http.codec import encode


class Calls(list[Callable[[], None]]):
    """A loop's calls, made when a test says so."""

    def call_soon(self, call: Callable[[], None]) -> None:
        """Keep it."""
        self.append(call)


class Working:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def take(self, _received: Received, _at_ns: int) -> None:
        """Note that there was an answer."""
        self.done.append("answer")


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which each look takes 100 us."""
    ticks = itertools.count(0, 100_000)
    monkeypatch.setattr("straingauge.engine.receive_queue.monotonic_ns", lambda: next(ticks))


@pytest.mark.usefixtures("ticking")
def test_however_many_uploads_there_are_they_share_one_slice():
    """A hundred uploads hold nobody's stamp up for longer than one: what is left waits a round."""
    calls, working = Calls(), Working()
    inbox = ReceiveQueue(calls)  # type: ignore[arg-type]
    for _ in range(100):
        inbox.turn(lambda: working.done.append("piece"))
    rounds = 0
    while calls:
        before = len(working.done)
        calls.pop()()
        assert 1 <= len(working.done) - before <= 3
        assert len(calls) <= 1
        rounds += 1
    assert working.done == ["piece"] * 100
    assert rounds >= 33


@pytest.mark.usefixtures("ticking")
def test_answers_come_before_uploads_but_never_stop_them():
    """With more answers than fit a slice, an upload still has one turn in each."""
    calls, working = Calls(), Working()
    inbox = ReceiveQueue(calls)  # type: ignore[arg-type]
    for _ in range(6):
        inbox.put(working, b"")
        inbox.turn(lambda: working.done.append("piece"))
    while calls:
        calls.pop()()
    assert working.done == [*["answer"] * 3, "piece"] * 2 + ["piece"] * 4


class Lagging(asyncio.Transport):
    """A transport that sends nothing on before a test says so."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})
        self.waiting = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.waiting += data

    def get_write_buffer_size(self) -> int:
        """How much is kept."""
        return len(self.waiting)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It never has enough."""


def test_an_upload_overtakes_nothing_that_waits():
    """While bytes wait at the transport, the next go behind them, room at the socket or not."""
    upload = Upload({}, {"file": FilePart(bytes(range(256)) * 20_000)})
    request = Request("POST", "/x", "x", body=upload)
    calls, arrived = Calls(), b""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        theirs.settimeout(0)
        transport = Lagging(ours)
        connection = Connection(Telling(), ReceiveQueue(calls))  # type: ignore[arg-type]
        connection.connection_made(transport)
        connection.send(request, b"h")
        while not transport.waiting:
            calls.pop()()
        arrived = theirs.recv(10_000_000)
        while calls:
            calls.pop()()
        with contextlib.suppress(BlockingIOError):
            while True:
                arrived += theirs.recv(10_000_000)
    assert arrived + transport.waiting == encode(request, b"h") + b"".join(upload.chunks())


class Held(ReceiveQueue):
    """Nothing is worked on before a test says so."""

    __slots__ = ("ended", "kept")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.kept: list[tuple[Reader, Received]] = []
        self.ended = asyncio.Event()

    def put(self, reader: Reader, received: Received) -> None:
        """Keep it."""
        self.kept.append((reader, received))
        if received is None:
            self.ended.set()


class Telling:
    """An owner that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def answered(self, response: Response, _first_byte_ns: int, _at_ns: int) -> None:
        """There was an answer."""
        self.told.append(f"answered {response.status}")

    def failed(self, failure: RequestFailed, _at_ns: int) -> None:
        """There was none."""
        self.told.append(f"failed: {failure.kind}")

    def stale(self) -> None:
        """The connection was closed before."""
        self.told.append("stale")

    def dropped(self, _connection: Connection) -> None:
        """It was closed while idle."""
        self.told.append("dropped")


def answer_once(peer: Peer) -> None:
    """Answer, and close."""
    peer.read()
    peer.answer()


@pytest.mark.parametrize("loop_of", [uvloop.new_event_loop, asyncio.SelectorEventLoop])
@pytest.mark.parametrize(("method", "told"), [("GET", "stale"), ("POST", "failed: reset")])
def test_a_request_on_a_connection_lost_a_moment_ago_is_told_so(
    loop_of: Callable[[], asyncio.AbstractEventLoop], method: str, told: str
):
    """Answer and end may wait in the inbox together: what is sent in between ends nothing else."""
    loop, owner = loop_of(), Telling()
    inbox = Held(loop)

    async def scene() -> None:
        _, connection = await loop.create_connection(
            lambda: Connection(owner, inbox), "127.0.0.1", server.port
        )
        connection.send(Request("GET", "/x", "GET /x"), b"h")
        await inbox.ended.wait()
        for _, received in inbox.kept:
            connection.take(received, 1)
            if received is not None:
                connection.send(Request(method, "/x", "x"), b"h")

    with serve(answer_once) as server:
        loop.run_until_complete(asyncio.wait_for(scene(), 20))
    loop.close()
    assert owner.told == ["answered 200", told]
