"""WebSockets in the engine, against the server of the package `websockets`."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from single_journey import run_journey
from straingauge.engine import Load, run_load
from straingauge.http import ErrorKind, RequestFailed
from straingauge.journey import User, mix
from straingauge.recording import Record, Recorder
from straingauge.schedule import constant_users
from websocket_service import serving


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the server of all tests in this module."""
    with serving() as url:
        yield url


def recorded(url: str, journey: Callable[[User], Any], **options: Any) -> Record:  # noqa: ANN401  of `Load`
    """Run a journey once, as one user."""
    recorder = Recorder()
    schedule = constant_users(count=1, iterations=1)
    run_load(Load(url, schedule, mix(journey), [User(0)], **options), recorder)
    return recorder.snapshot()


def test_echo(url: str):
    """Handshake and round trips are samples; what was sent comes back, text and bytes."""
    found: list[Any] = []

    def journey(user: User):
        socket = yield user.websocket("/echo", subprotocols=["other", "chat"], compress=True)
        found.append(socket.subprotocol)
        for data in ("Grüße", b"\x00\xff", "a" * 200_000):
            yield socket.send(data)
            found.append((yield socket.receive()).data == data)
        yield socket.close()
        found.append(socket.close_code)

    record = recorded(url, journey)
    assert found == ["chat", True, True, True, 1000]
    shaken, received = (record.endpoints("main")[name] for name in ("WS /echo", "WS /echo receive"))
    assert (shaken.requests, dict(shaken.statuses)) == (1, {101: 1})
    assert (received.requests, received.response.count) == (3, 3)
    assert record.total("main").errors == {}
    counts = shaken.websockets.counts
    assert (counts["sent"], counts["received"], counts["closed_1000"]) == (3, 3, 1)
    assert Record.from_bytes(record.to_bytes()) == record


@pytest.mark.serial  # compares measured times with known ones
def test_round_trips_count_from_sending_to_the_message_that_matches(url: str):
    """A message that does not match stays for later; the time is that of the matching one."""
    found: list[Any] = []

    def journey(user: User):
        socket = yield user.websocket("/slow", name="slow")
        yield socket.send('{"id": 7, "kind": "a"}')
        reply = yield socket.receive(match={"id": 7}, name="reply")
        found.append(reply.json()["kind"])
        found.append((yield socket.receive()).json())  # it answers nothing, and is no sample
        yield socket.send("text")
        found.append((yield socket.receive(match="tex")).data)

    record = recorded(url, journey)
    assert record.total("main").examples == []
    assert found == ["a", {"id": 0}, "text"]
    endpoints = record.endpoints("main")
    assert {name: each.requests for name, each in endpoints.items()} == {
        "slow": 1,
        "reply": 1,
        "slow receive": 1,
    }
    assert 50e6 <= endpoints["reply"].response.sum_ns < 150e6
    assert endpoints["slow"].websockets.counts["closed_1000"] == 1  # closed with the journey


def use(path: str, **options: Any) -> Callable[[User], Any]:  # noqa: ANN401  of `receive`
    """Return a journey that sends one message and waits for another."""

    def journey(user: User):
        socket = yield user.websocket(path)
        yield socket.send("hello")
        yield socket.receive(**options)

    return journey


@pytest.mark.parametrize(
    ("journey", "kind", "detail"),
    [
        (use("/refused"), ErrorKind.BAD_STATUS, "status 403, expected 101: not you"),
        (use("/leave"), ErrorKind.CLOSED, "the server closed it with code 4001: enough"),
        (use("/drop"), ErrorKind.RESET, "closed without a closing handshake"),
        (use("/large"), ErrorKind.TOO_LARGE, "a message of more than 1048576 bytes"),
        (use("/broken"), ErrorKind.PROTOCOL, "WebSocket: "),
        (use("/silent", timeout_s=0.1), ErrorKind.TIMEOUT, "no message within 0.1 s"),
        (
            use("/echo", match={"id": 1}, timeout_s=0.1),
            ErrorKind.TIMEOUT,
            "no message within 0.1 s, 1 others were received",
        ),
    ],
)
def test_failures(url: str, journey: Callable[[User], Any], kind: ErrorKind, detail: str):
    """Each way in which a WebSocket can fail is one error of its kind."""
    series, _ = run_journey(url, journey)
    assert dict(series.errors) == {kind: 1}
    assert series.examples[0].detail.startswith(detail)


def test_a_closed_socket_cannot_be_used(url: str):
    """After the server has closed, sending is an error that the journey can catch."""
    found: list[str] = []

    def journey(user: User):
        socket = yield user.websocket("/leave")
        yield socket.send("hello")
        for step in (socket.receive(), socket.send("again")):
            try:
                yield step
            except RequestFailed as failure:
                found.append(f"{failure.kind} {socket.close_code}")

    record = recorded(url, journey)
    assert found == ["closed 4001", "closed 4001"]
    assert list(record.endpoints("main")) == ["WS /leave", "WS /leave receive", "WS /leave send"]


def test_pings_are_answered(url: str):
    """A ping is answered while the journey waits."""
    series, _ = run_journey(url, use("/ping", match="pong received"))
    assert dict(series.errors) == {}
    assert series.websockets.counts["pings"] == 1


def test_many_sends_neither_recurse_nor_starve_others(url: str):
    """A journey may send thousands of messages in a row, while another user waits for its own."""
    recorder = Recorder()

    def journey(user: User):
        socket = yield user.websocket("/echo")
        for number in range(3000 if user.index == 0 else 3):
            yield socket.send(str(number))
        for number in range(3000 if user.index == 0 else 3):
            assert (yield socket.receive(match=str(number))).data == str(number)

    schedule = constant_users(count=2, iterations=1)
    run_load(Load(url, schedule, mix(journey), [User(0), User(1)]), recorder)
    total = recorder.snapshot().total("main")
    assert total.websockets.counts["sent"] == 3003


@pytest.mark.serial  # compares measured times with known ones
def test_idle_sockets_end_with_the_load(url: str):
    """At the end of the load, a wait for a message that answers nothing is no error."""
    recorder = Recorder()

    def journey(user: User):
        socket = yield user.websocket("/silent")
        yield socket.receive()

    schedule = constant_users(count=50, duration_s=0.3)
    users = [User(index) for index in range(50)]
    stats = run_load(Load(url, schedule, mix(journey), users), recorder)
    total = recorder.snapshot().total("main")
    assert dict(total.errors) == {}
    assert total.websockets.counts["websockets"] == 50
    assert stats.duration_s < 3
    assert stats.abandoned == 0
