"""Own steps: calls of any client in the event loop and in threads, measured as requests are."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from raw_server import answering, serve
from straingauge.engine import EngineStats, Load, run_load
from straingauge.journey import Journey, User, mix
from straingauge.recording import Record, Recorder
from straingauge.recording.error_codes import MAX_KINDS, OTHER_KIND, code_of
from straingauge.recording.recorder import EndpointRecorder
from straingauge.schedule import constant_users
from straingauge.verdict import ValidityInput, check_validity

from straingauge import Call, RequestFailed, UsageError, call, measure, open_once


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Start a server that answers at once."""
    with serve(answering()) as running:
        yield running.url


def run(
    url: str, journey: Journey, *, users: int = 1, iterations: int = 1, timeout_s: float = 5.0
) -> tuple[Record, EngineStats]:
    """Let users run a journey."""
    recorder = Recorder()
    load = Load(
        url,
        constant_users(count=users, iterations=iterations),
        mix(journey),
        [User(index) for index in range(users)],
        timeout_s=timeout_s,
    )
    stats = run_load(load, recorder)
    return recorder.snapshot(), stats


async def sleep_for(seconds: float) -> float:
    """Take a known time."""
    await asyncio.sleep(seconds)
    return seconds


@measure("in thread")
def block_for(seconds: float) -> float:
    """Take a known time, without giving up the thread."""
    time.sleep(seconds)
    return seconds


@pytest.mark.serial  # compares measured times with known ones
def test_the_times_of_calls_are_known(url: str):
    """A call takes as long as its client, and its result is the value of the step."""
    values = []

    def journey(_user: User):
        values.append((yield call(sleep_for, 0.1, name="asynchronous")))
        values.append((yield block_for(0.15)))

    record, stats = run(url, journey, users=3)
    assert sorted(values) == [0.1] * 3 + [0.15] * 3
    for name, seconds in (("asynchronous", 0.1), ("in thread", 0.15)):
        series = record.endpoints("main")[name]
        assert series.requests == 3
        assert not series.statuses
        assert series.first_byte.count == 0
        for times in (series.response, series.service):
            assert seconds * 1e9 * 0.995 <= times.min_ns < times.max_ns < (seconds + 0.1) * 1e9
    assert stats.sent == 6
    assert not stats.abandoned


def test_calls_and_requests_mix(url: str):
    """A journey may send requests between its calls."""

    def journey(user: User):
        response = yield user.get("/", name="get")
        status = yield call(asyncio.sleep, 0, response.status, name="sleep")
        assert status == 200

    record, _ = run(url, journey, users=2, iterations=5)
    assert {name: each.requests for name, each in record.endpoints("main").items()} == {
        "get": 10,
        "sleep": 10,
    }
    assert not record.total("main").errors


class Broken(Exception):
    """An exception of a client."""


async def fail(error: BaseException) -> None:
    """Fail as a client does."""
    raise error


@measure("fails in a thread")
def fail_in_thread(error: BaseException) -> None:
    """Fail as a client does."""
    raise error


async def be_cancelled() -> None:
    """Cancel itself, as a client's internal time-out may."""
    raise asyncio.CancelledError


def no_coroutine() -> int:
    """Return no awaitable."""
    return 1


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (lambda: call(fail, ValueError("no")), "ValueError"),
        (lambda: call(fail, Broken("no")), "test_calls.Broken"),
        (lambda: call(fail, TimeoutError()), "TimeoutError"),
        (lambda: call(be_cancelled), "CancelledError"),
        (lambda: call(no_coroutine), "TypeError"),  # type: ignore[arg-type]
        (lambda: call(sleep_for), "TypeError"),
        (lambda: call(fail, RequestFailed("own_kind", "no")), "own_kind"),
        (lambda: fail_in_thread(KeyError("no")), "KeyError"),
        (lambda: fail_in_thread(SystemExit(3)), "SystemExit"),
    ],
)
def test_the_type_of_an_exception_is_the_error_kind(url: str, step: Callable[[], Call], kind: str):
    """An exception counts under its type, and the journey may catch it with its cause."""
    caught: list[RequestFailed] = []

    def journey(user: User):
        try:
            yield step()
        except RequestFailed as failure:
            caught.append(failure)
        yield user.get("/")

    record, _ = run(url, journey)
    assert record.total("main").errors == {kind: 1}
    assert record.total("main").requests == 2
    assert caught[0].kind == kind
    assert kind == "own_kind" or caught[0].__cause__ is not None


def test_a_failure_that_is_not_caught_ends_the_execution(url: str):
    """A failed call ends the execution as a failed request does, without a further error."""

    def journey(user: User):
        yield call(fail, ValueError("no"), name="failing")
        yield user.get("/")

    record, _ = run(url, journey, iterations=3)
    assert record.total("main").errors == {"ValueError": 3}
    assert record.total("main").requests == 3


async def never() -> None:
    """Never return, and ignore every cancellation."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


def test_calls_that_never_return_time_out(url: str, monkeypatch: pytest.MonkeyPatch):
    """A call that never returns is a timeout, and holds neither the load nor the process."""
    monkeypatch.setattr("straingauge.engine.event_loop._END_S", 0.1)
    released = threading.Event()

    @measure("stuck thread", timeout_s=0.1)
    def wait() -> None:
        released.wait(60)

    kinds = []

    def journey(user: User):
        for step in (call(never, name="never", timeout_s=0.1), wait()):
            try:
                yield step
            except RequestFailed as failure:
                kinds.append(failure.kind)
        yield user.get("/")

    began_s = time.monotonic()
    record, _ = run(url, journey, users=2)
    released.set()
    assert kinds == ["timeout"] * 4
    assert time.monotonic() - began_s < 30
    assert record.total("main").errors == {"timeout": 4}
    assert record.endpoints("main")["never"].response.min_ns >= 0.1e9
    assert record.endpoints("main")["GET /"].requests == 2


def test_a_call_that_blocks_the_event_loop_is_named(url: str):
    """A coroutine that blocks the event loop makes the generator late, and the result names it."""

    async def block() -> None:
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251  it is the fault

    def journey(_user: User):
        yield call(asyncio.sleep, 0, name="harmless")
        yield call(block, name="blocking")

    _, stats = run(url, journey)
    assert stats.blocking_call is not None
    name, kept_ms = stats.blocking_call
    assert name == "blocking"
    assert kept_ms >= 200
    assert stats.loop_lag_ms.max > 100
    (reason,) = (
        each
        for each in check_validity(ValidityInput(requests=500, blocking_call=("x", 200.0)))
        if each.reason == "blocking_call"
    )
    assert "kept the generator's event loop for 200 ms" in reason.message


@pytest.mark.serial  # compares measured times with known ones
def test_waiting_for_a_thread_is_no_response_time(url: str, monkeypatch: pytest.MonkeyPatch):
    """The times of a call in a thread do not include its wait for the thread, shown apart."""
    monkeypatch.setattr("straingauge.engine.thread_pool.ThreadPool.__init__.__defaults__", (1,))

    def journey(_user: User):
        yield block_for(0.1)

    record, stats = run(url, journey, users=4)
    series = record.endpoints("main")["in thread"]
    assert series.response.max_ns < 0.2e9
    assert stats.thread_queue_ms.max >= 295
    assert any(
        each.reason == "few_threads"
        for each in check_validity(
            ValidityInput(requests=500, thread_queue_p99_ms=stats.thread_queue_ms.p99)
        )
    )


def test_a_client_is_opened_once_in_each_phase(url: str):
    """All users of a phase share one client, which is closed at its end."""
    log = []

    async def connect() -> str:
        log.append("open")
        return "client"

    async def close(client: str) -> None:
        log.append(f"close {client}")

    client = open_once(connect, close=close)

    async def use() -> None:
        assert await client() == "client"

    def journey(_user: User):
        yield call(use)

    for _ in range(2):
        run(url, journey, users=3, iterations=2)
    assert log == ["open", "close client"] * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: call(5), "5 is no function"),  # type: ignore[arg-type]
        (lambda: call(sleep_for, 1, timeout_s=0), "timeout_s must be more than 0, not 0"),
        (lambda: measure("x")(sleep_for), "is for functions without async"),
        (measure("")(no_coroutine), "needs a name"),
    ],
)
def test_steps_that_cannot_be_made(make: Callable[[], object], message: str):
    """A step that cannot be made says so where it is written."""
    with pytest.raises(UsageError, match=message):
        make()


def test_error_kinds_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """Beyond a number of kinds, exceptions share one, so that memory is bounded."""
    from straingauge.recording import error_codes

    monkeypatch.setattr(error_codes, "_kinds", list(error_codes._kinds))
    monkeypatch.setattr(error_codes, "_codes", dict(error_codes._codes))
    recorder = Recorder()
    sink: EndpointRecorder = recorder.endpoint_sink("main", "x", 0)
    for number in range(300):
        sink.add_failure(0, 0, 0, 1, RequestFailed(f"Error{number}", "no"))
    errors = recorder.snapshot().total("main").errors
    assert sum(errors.values()) == 300
    assert errors[OTHER_KIND] > 1
    assert code_of("Error0") != code_of(OTHER_KIND) == code_of("Error299")
    assert len(errors) <= MAX_KINDS
