"""Transactions are timed as a whole, and counted by how they ended."""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import answering, serve
from sample_results import sample_result
from straingauge.compare import compare
from straingauge.engine import Load, run_load
from straingauge.http import ErrorKind, RequestFailed, Response
from straingauge.journey import (
    Execution,
    JourneyError,
    Pause,
    Step,
    Transaction,
    TransactionEnd,
    User,
    execution,
    mix,
    transaction,
)
from straingauge.recording import Record, Recorder
from straingauge.report.markdown import markdown
from straingauge.report.page import page
from straingauge.report.transactions import transaction_lines
from straingauge.report.verdict_table import verdict_table
from straingauge.result.assembly.histograms import transaction_histograms_ns
from straingauge.result.format.schema import schema, violation
from straingauge.schedule import constant_users, waves
from straingauge.statistics import transactions

REQUEST_S, PAUSE_S = 3, 10
OK = Response(User(0).get("/"), 200, b"", b"")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 10**9

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ns

    def add(self, seconds: float) -> None:
        """Move on."""
        self.now_ns += round(seconds * 1e9)


class Observer:
    """Keeps the transactions of a user, in seconds."""

    def __init__(self, clock: Clock, due_ns: int = 0) -> None:
        self.found: list[tuple[str, TransactionEnd, float, float]] = []
        self._clock = clock
        self.due_ns = due_ns

    def transaction_start_ns(self) -> int:
        """Return the due time once, then the time."""
        due_ns, self.due_ns = self.due_ns, 0
        return due_ns or self._clock()

    def transaction_ended(self, ended: Transaction, end: TransactionEnd, ended_ns: int) -> None:
        """Keep a transaction: its name, end, and times without and with pauses."""
        took_ns = ended_ns - ended.begun_ns
        self.found.append((ended.name, end, (took_ns - ended.paused_ns) / 1e9, took_ns / 1e9))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of transactions."""
    made = Clock()
    monkeypatch.setattr(transaction, "monotonic_ns", made)
    monkeypatch.setattr(execution, "monotonic_ns", made)
    return made


Journey = Callable[[User], Generator[Step, Response, None]]


def run(journey: Journey, clock: Clock, *, fail_at: int = -1, stop_at: int = -1) -> Observer:
    """Run a journey with made times; a request fails, or the user is stopped, at a step."""
    user, observer = User(0), Observer(clock)
    user.observer = observer
    made = Execution(journey, user)
    step, number = made.begin(), 0
    while step is not None:
        if number == stop_at:
            with suppress(JourneyError):
                made.close()
            break
        if isinstance(step, Pause):
            clock.add(step.seconds)
            step = made.resume()
        else:
            clock.add(REQUEST_S)
            failure = RequestFailed(ErrorKind.BAD_STATUS, "503", OK)
            step = made.fail(failure) if number == fail_at else made.answer(OK)
        number += 1
    assert user.open_transactions == ()
    return observer


def checkout(user: User):
    """A transaction of two requests and a pause, with another one in it."""
    with user.transaction("checkout"):
        yield user.get("/basket")
        yield Pause(PAUSE_S)
        with user.transaction("pay"):
            yield user.post("/order")
            yield Pause(PAUSE_S)
    yield user.get("/")


def test_times_without_and_with_pauses(clock: Clock):
    """A pause counts in the duration of all open transactions, and in no response time."""
    assert run(checkout, clock).found == [
        ("pay", "completed", 3, 13),
        ("checkout", "completed", 6, 26),
    ]


@pytest.mark.parametrize(
    ("fail_at", "found"),
    [
        (0, [("checkout", "failed", 3, 3)]),
        (2, [("pay", "failed", 3, 3), ("checkout", "failed", 6, 16)]),
        (4, [("pay", "completed", 3, 13), ("checkout", "completed", 6, 26)]),
    ],
)
def test_failed_request_fails_all_open_transactions(
    clock: Clock, fail_at: int, found: list[tuple[str, str, float, float]]
):
    """A failed request fails the transactions that it is in, and no other."""
    assert run(checkout, clock, fail_at=fail_at).found == found


@pytest.mark.parametrize(
    ("stop_at", "found"),
    [
        (1, [("checkout", "abandoned")]),
        (2, [("pay", "abandoned"), ("checkout", "abandoned")]),
        (4, [("pay", "completed"), ("checkout", "completed")]),
    ],
)
def test_stopped_user_abandons_its_transactions(
    clock: Clock, stop_at: int, found: list[tuple[str, str]]
):
    """A user that is stopped in a transaction abandons it; completed ones stay."""
    assert [each[:2] for each in run(checkout, clock, stop_at=stop_at).found] == found


def test_caught_failure_fails_the_transaction(clock: Clock):
    """A transaction whose journey goes on after a failed request has failed all the same."""

    def journey(user: User):
        with user.transaction("search"):
            with suppress(RequestFailed):
                yield user.get("/a")
            yield user.get("/b")

    assert run(journey, clock, fail_at=0).found == [("search", "failed", 6, 6)]


def test_exception_of_the_journey_fails_the_transaction(clock: Clock):
    """An exception in the journey's code, or a step that is none, fails the transaction."""

    def raising(user: User):
        with user.transaction("raising"):
            yield user.get("/")
            raise KeyError("id")

    def wrong(user: User) -> Any:  # noqa: ANN401
        with user.transaction("wrong"):
            yield user.get("/")
            yield "/"

    for journey in (raising, wrong):
        user, observer = User(0), Observer(clock)
        user.observer = observer
        made = Execution(journey, user)
        made.begin()
        with pytest.raises(JourneyError):
            made.answer(OK)
        assert [each[1] for each in observer.found] == ["failed"]
        assert user.open_transactions == ()


def test_first_transaction_begins_when_its_journey_was_due(clock: Clock):
    """A late start counts as response time, as that of a request (no coordinated omission)."""
    user, observer = User(0), Observer(clock, due_ns=clock.now_ns - 5 * 10**9)
    user.observer = observer
    made = Execution(checkout, user)
    made.begin()
    clock.add(REQUEST_S)
    made.fail(RequestFailed(ErrorKind.BAD_STATUS, "503", OK))
    assert observer.found == [("checkout", "failed", 8, 8)]


def test_journey_outside_of_a_load():
    """Without an observer a transaction does nothing."""
    steps = checkout(User(0))
    assert next(steps) is not None
    steps.close()


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_name_is_one_line(name: str):
    """A transaction has a name of one line."""
    with pytest.raises(ValueError, match="one line of text"):
        User(0).transaction(name)


ends = st.sampled_from(["completed", "failed", "abandoned"])
outcomes = st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**9), ends), max_size=30)


@given(outcomes, st.integers(1, 4))
def test_processes_merge_without_loss(found: list[Any], processes: int):
    """Transactions of several processes add up to those of one, also as bytes."""
    whole, parts = Recorder(), [Recorder() for _ in range(processes)]
    for number, (took_ns, paused_ns, end) in enumerate(found):
        for recorder in (whole, parts[number % processes]):
            recorder.transaction_sink("main", "a").add(0, took_ns + paused_ns, paused_ns, end)
    merged = Record().merge(*(Record.from_bytes(each.snapshot().to_bytes()) for each in parts))
    assert merged.transactions_of("main").keys() == whole.snapshot().transactions_of("main").keys()
    if found:
        assert merged == whole.snapshot()
        metrics = transactions(merged)["a"]
        assert sum(metrics[end] for end in ("completed", "failed", "abandoned")) == len(found)
        assert metrics["latency_ms"]["samples"] == metrics["completed"]


def test_engine_counts_transactions():
    """The engine counts each transaction of a load; the end of the load abandons open ones."""

    def journey(user: User):
        with user.transaction("visit"):
            yield user.get("/")
            yield Pause(0.02)
            yield user.get("/")

    def endless(user: User):
        with user.transaction("endless"):
            yield user.get("/")
            yield Pause(60)

    recorder = Recorder()
    with serve(answering()) as server:
        users = [User(n) for n in range(5)]
        run_load(Load(server.url, waves(concurrent=5, at_most=2), mix(journey), users), recorder)
        closed = constant_users(count=5, duration_s=0.1)
        run_load(Load(server.url, closed, mix(endless), users), recorder)
    found = transactions(recorder.snapshot())
    assert (found["visit"]["completed"], found["visit"]["abandoned"]) == (10, 0)
    assert (found["endless"]["completed"], found["endless"]["abandoned"]) == (0, 5)
    assert found["endless"]["latency_ms"]["p95"] is None
    without, with_pauses = found["visit"]["latency_ms"]["min"], found["visit"]["duration_ms"]["min"]
    assert without is not None
    assert with_pauses is not None
    assert with_pauses > without + 15


def result_with_transactions(slower: float = 1.0) -> dict[str, Any]:
    """Return a result with a transaction of 200 to 299 ms, and pauses of a second."""
    recorder = Recorder()
    sink = recorder.transaction_sink("main", "checkout")
    for number in range(400):
        took_ns = round((200 + number % 100) * slower * 1e6)
        sink.add(0, took_ns + 10**9, 10**9, "completed")
    sink.add(0, 10**6, 0, "failed")
    sink.add(0, 10**6, 0, "abandoned")
    record = recorder.snapshot()
    result, found = sample_result(), transactions(record)
    series = record.transactions_of("main")["checkout"]
    found["checkout"]["histograms_ns"] = transaction_histograms_ns(series)
    result["transactions"] = found
    return result


def test_reports_show_transactions():
    """Terminal, Markdown and page show each transaction with both times and its ends."""
    result = result_with_transactions()
    assert violation(result, schema("result-1")) is None
    (line,) = transaction_lines(result)
    assert line.startswith("checkout: 400 completed, p50 ")
    assert line.endswith("with pauses, 1 failed (0.25%), 1 abandoned")
    assert f"transaction {line}" in " ".join(
        verdict_table([(result, None)], width=300, colour=False).split()
    )
    assert "### Transactions" in markdown([result])
    assert '<th scope="col" class="text">transaction</th>' in page([result])


def test_compare_finds_a_slower_transaction():
    """A transaction that got slower is found by `compare`, with its interval."""
    found = compare(result_with_transactions(), result_with_transactions(1.3))
    changes = {
        each.metric: each for each in found.changes if each.endpoint == "transaction checkout"
    }
    assert changes["p50 ms"].verdict == "worse"
    assert changes["errors %"].old == changes["errors %"].new == pytest.approx(100 / 401, abs=1e-4)
