"""The receive queue: stamps first, then work, a slice at a time."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable

import pytest
import uvloop
from raw_server import Peer, serve
from straingauge.engine.connection import Connection
from straingauge.http import FilePart, Request, RequestFailed, Response, Upload
from straingauge.http.codec import encode
from straingauge.http.exchange import Received
from straingauge.http.receive_queue import ReceiveQueue, Receiver, Schedule

Calls = list[Callable[[], None]]
"""An event loop's scheduled calls, made when a test does so."""


class Worker:
    """Notes the work that is done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def process(self, _received: Received, _at_ns: int) -> None:
        """Note a response."""
        self.done.append("response")


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which each look takes 100 us."""
    ticks = itertools.count(0, 100_000)
    monkeypatch.setattr("straingauge.http.receive_queue.monotonic_ns", lambda: next(ticks))


@pytest.mark.usefixtures("ticking")
def test_however_many_uploads_there_are_they_share_one_slice():
    """A hundred uploads delay a stamp no longer than one: the rest waits for the next round."""
    calls, worker = Calls(), Worker()
    queue = ReceiveQueue(calls.append)
    for _ in range(100):
        queue.add_task(lambda: worker.done.append("piece"))
    rounds = 0
    while calls:
        before = len(worker.done)
        calls.pop()()
        assert 1 <= len(worker.done) - before <= 3
        assert len(calls) <= 1
        rounds += 1
    assert worker.done == ["piece"] * 100
    assert rounds >= 33


@pytest.mark.usefixtures("ticking")
def test_answers_come_before_uploads_but_never_stop_them():
    """With more answers than fit a slice, an upload still has one turn in each."""
    calls, worker = Calls(), Worker()
    queue = ReceiveQueue(calls.append)
    for _ in range(6):
        queue.put(worker, b"")
        queue.add_task(lambda: worker.done.append("piece"))
    while calls:
        calls.pop()()
    assert worker.done == [*["response"] * 3, "piece"] * 2 + ["piece"] * 4


class Lagging(asyncio.Transport):
    """A transport that sends nothing on before a test says so."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})
        self.waiting = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Buffer it."""
        self.waiting += data

    def get_write_buffer_size(self) -> int:
        """Return the size of the buffer."""
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
        connection = Connection(Owner(), ReceiveQueue(calls.append))
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


class HeldQueue(ReceiveQueue):
    """A queue that a test works off itself."""

    __slots__ = ("ended", "held")

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self.held: list[tuple[Receiver, Received]] = []
        self.ended = asyncio.Event()

    def put(self, receiver: Receiver, received: Received) -> None:
        """Hold it."""
        self.held.append((receiver, received))
        if not received:
            self.ended.set()


class Owner:
    """A connection's owner that notes the outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def response_received(self, response: Response, _first_byte_ns: int, _at_ns: int) -> None:
        """Note a response."""
        self.outcomes.append(f"response {response.status}")

    def request_failed(self, failure: RequestFailed, _at_ns: int) -> None:
        """Note a failure."""
        self.outcomes.append(f"failed: {failure.kind}")

    def connection_stale(self) -> None:
        """Note a stale connection."""
        self.outcomes.append("stale")

    def connection_closed(self, _connection: Connection) -> None:
        """Note the end of an idle connection."""
        self.outcomes.append("closed")


def answer_once(peer: Peer) -> None:
    """Answer, and close."""
    peer.read()
    peer.answer()


@pytest.mark.parametrize("loop_of", [uvloop.new_event_loop, asyncio.SelectorEventLoop])
@pytest.mark.parametrize(("method", "outcome"), [("GET", "stale"), ("POST", "failed: idle_closed")])
def test_a_request_on_a_connection_that_has_just_ended(
    loop_of: Callable[[], asyncio.AbstractEventLoop], method: str, outcome: str
):
    """Response and end may wait in the queue together; a request sent in between is stale."""
    loop, owner = loop_of(), Owner()
    queue = HeldQueue(loop.call_soon)

    async def scene() -> None:
        _, connection = await loop.create_connection(
            lambda: Connection(owner, queue), "127.0.0.1", server.port
        )
        connection.send(Request("GET", "/x", "GET /x"), b"h")
        await queue.ended.wait()
        for _, received in queue.held:
            connection.process(received, 1)
            if received:
                connection.send(Request(method, "/x", "x"), b"h")

    with serve(answer_once) as server:
        loop.run_until_complete(asyncio.wait_for(scene(), 20))
    loop.close()
    assert owner.outcomes == ["response 200", outcome]
