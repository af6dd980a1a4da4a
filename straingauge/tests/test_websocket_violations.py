"""A server that violates RFC 6455, over real sockets, in the engine and for a Locust user."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
from locust_caller import Locust
from raw_server import Peer, Server, serve, speaking_tls
from single_journey import run_journey
from straingauge.engine.socket_steps import SocketSteps
from straingauge.http import RequestFailed
from straingauge.http.settings import HttpSettings
from straingauge.http.websocket import WebSocket
from straingauge.http.websocket.protocol import WebSocketProtocol
from straingauge.journey import Pause, User
from websocket_frames import CLOSE, PING, TEXT, VIOLATIONS, answered, frame

pytestmark = pytest.mark.usefixtures("nothing_left_open")

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
DATA: Final = [each.values[0] for each in VIOLATIONS]
CODES: Final = [each.values[1] for each in VIOLATIONS]
STALLS: Final = {
    "half-a-head": b"\x81",
    "half-a-frame": b"\x81\x7eab",
    "a-frame-that-never-ends": b"\x82\x7f\x00\x00\x00\x00\xff\xff\xff\xff" + bytes(1000),
    "a-message-that-never-ends": frame(TEXT, b"a", fin=False) + frame(0, fin=False) * 5000,
    "pings-without-an-end": frame(PING, b"?") * 5000,
}


def shake_hands(peer: Peer) -> str:
    """Answer a handshake; return its path without the slash."""
    request = peer.read()
    assert request is not None
    (key,) = (
        line.partition(": ")[2]
        for line in request.head.splitlines()
        if line.startswith("Sec-WebSocket-Key")
    )
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())  # noqa: S324  RFC 6455
    peer.socket.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )
    return request.target.removeprefix("/")


class Violator:
    """Opens a WebSocket, waits for a frame, and sends what the number in its path says.

    Attributes:
        answers: What the client sent from then on, by that number.
    """

    def __init__(self) -> None:
        self.answers: dict[int, bytes] = {}
        self.has_all = threading.Event()

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        place = shake_hands(peer)
        peer.socket.recv(65536)
        peer.socket.sendall(STALLS[place] if place in STALLS else DATA[int(place)])
        answer = b""
        while data := peer.socket.recv(65536):
            answer += data
        if place.isdigit():
            self.answers[int(place)] = answer
            if len(self.answers) == len(DATA):
                self.has_all.set()


@pytest.fixture(params=["tcp", "tls"])
def served(request: pytest.FixtureRequest, certificate: Path) -> Iterator[tuple[Violator, str]]:
    """A server that violates the protocol, and its URL."""
    violator, is_tls = Violator(), request.param == "tls"
    with serve(violator, speaking_tls(certificate) if is_tls else None) as server:
        yield violator, f"https://localhost:{server.port}" if is_tls else server.url


JOURNEY: Final = """
def journey(user):
    for number in range({count}):
        socket = yield user.websocket(f"/{{number}}", name="ws")
        yield socket.send("go")
        try:
            yield socket.receive(timeout_s=20)
        except RequestFailed as failure:
            found.append([str(failure.kind), socket.close_code])
"""


def check(violator: Violator, found: list[list[Any]]) -> None:
    """Check the failures that the journey caught, and the codes that the client closed with."""
    assert found == [["protocol", code] for code in CODES]
    assert violator.has_all.wait(20)
    sent = [answered(violator.answers[number])[-1] for number in range(len(DATA))]
    assert sent == [(CLOSE, str(code).encode()) for code in CODES]


def test_the_engine_counts_each_violation(served: tuple[Violator, str], certificate: Path):
    """Each violation is an error of the kind "protocol", and is answered with its close code."""
    violator, url = served
    found: list[list[Any]] = []
    names: dict[str, Any] = {"found": found, "RequestFailed": RequestFailed}
    exec(JOURNEY.format(count=len(DATA)), names)  # noqa: S102  code of this test
    http = HttpSettings(ca_file=Path(f"{certificate}.crt"))
    series, _ = run_journey(url, names["journey"], http=http)
    assert dict(series.errors) == {"protocol": len(DATA)}
    check(violator, found)


def test_a_locust_user_counts_each_violation(served: tuple[Violator, str], caller: Locust):
    """The same holds for Locust users."""
    violator, url = served
    start = "from straingauge import RequestFailed\nfound = []\n"
    end = "\nuser.run_journey(journey)\nreturn found"
    outcome = caller.call(url, start + JOURNEY.format(count=len(DATA)) + end)
    assert outcome.record["main ws receive"]["errors"] == {"protocol": len(DATA)}
    check(violator, outcome.value)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that violates the protocol, over TCP."""
    with serve(Violator()) as server:
        yield server


@pytest.mark.parametrize("name", STALLS)
def test_a_server_that_stalls_within_a_message_is_a_timeout(
    server: Server, caller: Locust, name: str
):
    """Bytes that never become a message end the wait at its limit, in engine and Locust."""
    journey = f"""
def journey(user):
    socket = yield user.websocket("/{name}", name="ws")
    yield socket.send("go")
    yield socket.receive(timeout_s=0.3)
"""
    names: dict[str, Any] = {}
    exec(journey, names)  # noqa: S102  code of this test
    series, _ = run_journey(server.url, names["journey"])
    assert dict(series.errors) == {"timeout": 1}
    outcome = caller.call(server.url, journey + "\nreturn str(user.run_journey(journey))")
    assert outcome.record["main ws receive"]["errors"] == {"timeout": 1}


def test_a_violation_that_nobody_waits_for_is_counted(server: Server, caller: Locust):
    """A violation during a pause, or while the journey closes, counts as that of the closing."""
    journey = """
def journey(user):
    for closes in (True, False):
        socket = yield user.websocket("/0", name="ws")
        yield socket.send("go")
        if closes:
            yield socket.close()
        else:
            while not socket.is_closed:
                yield Pause(0.01)
"""
    names: dict[str, Any] = {"Pause": Pause}
    exec(journey, names)  # noqa: S102  code of this test
    series, _ = run_journey(server.url, names["journey"])
    assert dict(series.errors) == {"protocol": 2}
    start = "from straingauge import Pause\n"
    end = "\nreturn str(user.run_journey(journey))"
    outcome = caller.call(server.url, start + journey + end)
    assert outcome.record["main ws close"]["errors"] == {"protocol": 2}


def test_a_server_that_takes_no_part_in_the_end_of_tls(certificate: Path):
    """A server that reads and sends nothing more does not keep the load from its end."""
    is_over = threading.Event()

    def silent(peer: Peer) -> None:
        shake_hands(peer)
        is_over.wait(20)

    def journey(user: User):
        yield user.websocket("/")

    with serve(silent, speaking_tls(certificate)) as server:
        http = HttpSettings(ca_file=Path(f"{certificate}.crt"))
        series, _ = run_journey(f"https://localhost:{server.port}", journey, http=http)
        is_over.set()
    assert (dict(series.errors), series.statuses[101]) == ({}, 1)


class FullChannel:
    """A channel whose server reads nothing."""

    is_writable = False

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep what is written."""
        self.written.append(data)
        return 0

    def close(self, *, after_writing: bool) -> None:
        """Do nothing."""


def test_a_server_that_reads_no_pongs_takes_no_memory():
    """While the server reads nothing, its pings are counted and not answered; a close is."""
    channel, socket = FullChannel(), WebSocket("ws", WebSocketProtocol([], 1000), None)
    socket.channel = channel
    steps = SocketSteps(cast("Any", None))
    steps.open.append(socket)
    steps.channel_received(cast("Any", channel), frame(PING, b"?") * 100, 1)
    assert (channel.written, socket.protocol.counts["pings"]) == ([], 100)
    steps.channel_received(cast("Any", channel), frame(CLOSE), 1)
    assert len(channel.written) == 1
