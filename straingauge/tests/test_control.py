"""The control of a running load: its pace with a made clock, and its endpoint."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from straingauge.engine import Pace, PaceControl, paced_executors
from straingauge.engine.paced_executors import PacedArrivalRateExecutor
from straingauge.live_view.loopback_server import RefusedError
from straingauge.runner.control import Control
from straingauge.runner.live_run import LiveRun
from straingauge.schedule import constant
from straingauge.workers import Ending, MergedReports, RunMetadata

S = 1_000_000_000


class Clock:
    """A made clock with one timer, and the arrivals that were started."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.due_ns: int | None = None
        self.arrivals: list[tuple[int, float]] = []
        self.call: Callable[[], None] = lambda: None
        self.pace = PaceControl()

    def set(self, at_ns: int) -> None:
        """Set the timer."""
        self.due_ns = at_ns

    def close(self) -> None:
        """Cancel the timer."""
        self.due_ns = None

    def dispatch(self, n: int, intended_ns: int) -> None:
        """Keep an arrival."""
        self.arrivals.append((n, intended_ns / S))

    def run(self, until_s: float) -> None:
        """Let time pass."""
        while self.due_ns is not None and self.due_ns <= until_s * S:
            self.now_ns, self.due_ns = self.due_ns, None
            self.call()
        self.now_ns = round(until_s * S)

    def per_second(self) -> list[int]:
        """The arrivals of each second."""
        seconds = [int(at_s + 1e-6) for _, at_s in self.arrivals]
        return [seconds.count(second) for second in range(max(seconds) + 1)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in place of the engine's."""
    made = Clock()

    def make_timer(_loop: object, call: Callable[[], None]) -> Clock:
        made.call = call
        return made

    monkeypatch.setattr("straingauge.engine.arrival_rate_executor.make_timer", make_timer)
    monkeypatch.setattr(paced_executors, "monotonic_ns", lambda: made.now_ns)
    return made


def executor(clock: Clock, share: tuple[int, int] = (0, 1)) -> PacedArrivalRateExecutor:
    """An executor of 10 arrivals per second for 10 s, whose pace may change."""

    class Context:
        loop = None
        pace = clock.pace

    schedule = constant(rate_per_s=10, duration_s=10)
    context: Any = Context()
    return PacedArrivalRateExecutor(context, clock, schedule=schedule, share=share, start_ns=0)


def test_unchanged_pace_is_that_of_the_schedule(clock: Clock):
    """Without a change, arrivals start exactly when the schedule says."""
    executor(clock).begin()
    clock.run(20)
    schedule = constant(rate_per_s=10, duration_s=10)
    assert clock.arrivals == [(n, schedule.arrivals(n)) for n in range(100)]


def test_changed_rate_keeps_the_duration(clock: Clock):
    """At 300 % each second has three times its arrivals, at 50 % half; the load ends on time."""
    paced = executor(clock)
    paced.begin()
    clock.run(2.95)
    clock.pace.set(Pace(rate_percent=300))
    clock.run(5.95)
    clock.pace.set(Pace(rate_percent=50))
    clock.run(30)
    assert clock.per_second() == pytest.approx([10, 10, 10, 30, 30, 30, 5, 5, 5, 5], abs=2)
    assert paced.is_over
    assert [n for n, _ in clock.arrivals] == list(range(len(clock.arrivals)))


@pytest.mark.parametrize("resumed_s", [2.02, 2.5, 6.5, 9.95])
def test_pause_is_not_made_up_for(clock: Clock, resumed_s: float):
    """No arrival starts in a pause, nor those of the pause after it."""
    paced = executor(clock)
    paced.begin()
    clock.run(1.95)
    clock.pace.set(Pace(paused=True))
    clock.run(resumed_s)
    assert len(clock.arrivals) == 20
    clock.pace.set(Pace())
    clock.run(30)
    times = [at_s for _, at_s in clock.arrivals]
    assert all(at_s > resumed_s for at_s in times[20:])
    assert len(times) == 20 + sum(n / 10 > resumed_s for n in range(20, 100))
    assert paced.is_over


class Loads:
    """The loads of a process; keeps what is changed."""

    def __init__(self) -> None:
        self.changes: list[tuple[Pace, str]] = []
        self.endings: list[Ending] = []
        self.is_running = True

    def end_load(self, _test: str, ending: Ending) -> bool:
        """Keep the end."""
        self.endings.append(ending)
        return self.is_running

    def set_pace(self, _test: str, pace: Pace, change: str) -> bool:
        """Keep the change."""
        self.changes.append((pace, change))
        return self.is_running


def control(kind: str | None) -> tuple[Control, Loads, list[str]]:
    """A control of a load with a schedule of a kind; None for no load."""
    run, loads, said = LiveRun(), Loads(), list[str]()
    if kind is not None:
        configuration = {"schedule": {"kind": kind}, "users": 10}
        metadata = RunMetadata(name="load", started_at="now", configuration=configuration)
        run.watch("a test", MergedReports((), metadata=metadata, start_ns=1))
    return Control(run, lambda: loads, said.append), loads, said


def post(of: Control, path: str, **parameters: str) -> Any:  # noqa: ANN401  decoded JSON
    """Call a route; return the state that it replies."""
    return json.loads(of.routes()["POST", path].call(parameters).body)


def test_changes_of_a_rate_and_pauses():
    """Rate and pause are changed apart, the state is the reply, and the user is shown each."""
    of, loads, said = control("constant")
    assert post(of, "/rate", percent="150")["rate_percent"] == 150
    assert post(of, "/pause")["paused"]
    state = post(of, "/resume")
    assert (state["paused"], state["rate_percent"]) == (False, 150)
    assert [pace for pace, _ in loads.changes] == [
        Pace(rate_percent=150),
        Pace(rate_percent=150, paused=True),
        Pace(rate_percent=150),
    ]
    assert loads.changes[0][1].startswith("rate 150 % after ")
    assert said[1].startswith("the load was changed: paused after ")
    post(of, "/stop")
    assert [ending.by for ending in loads.endings] == ["user"]


def test_changes_of_users():
    """Users are reduced and raised again, up to those of the load."""
    of, loads, _ = control("constantusers")
    assert post(of, "/users", count="3")["users"] == 3
    assert post(of, "/users", count="10")["users"] == 10
    assert [pace.users for pace, _ in loads.changes] == [3, 10]


@pytest.mark.parametrize(
    ("kind", "path", "parameters", "status", "message"),
    [
        ("constant", "/rate", {}, 400, "send a number: -d percent=150"),
        ("constant", "/rate", {"percent": "x"}, 400, "send a number"),
        ("constant", "/rate", {"percent": "nan"}, 400, "send a number"),
        ("constant", "/rate", {"percent": "0"}, 400, "more than 0"),
        ("constant", "/rate", {"percent": "1e9"}, 400, "at most 10000"),
        ("constant", "/users", {"count": "3"}, 409, "POST /rate percent=N"),
        ("constantusers", "/rate", {"percent": "50"}, 409, "POST /users count=N"),
        ("constantusers", "/users", {"count": "11"}, 400, "from 0 to 10"),
        ("constantusers", "/users", {"count": "1.5"}, 400, "whole number"),
        ("constantusers", "/users", {"count": "-1"}, 400, "from 0 to 10"),
        ("waves", "/pause", {}, 409, "waves can only be stopped"),
        (None, "/pause", {}, 409, "no load is running"),
    ],
)
def test_changes_that_are_refused(
    kind: str | None, path: str, parameters: dict[str, str], status: int, message: str
):
    """A change that makes no sense is refused with what would."""
    of, loads, _ = control(kind)
    with pytest.raises(RefusedError, match=message) as error:
        post(of, path, **parameters)
    assert error.value.status == status
    assert loads.changes == []


def test_load_that_is_over_is_not_changed():
    """After the end of a load, a change is refused."""
    of, loads, _ = control("constant")
    loads.is_running = False
    for path in ("/pause", "/stop"):
        with pytest.raises(RefusedError, match="no load is running"):
            post(of, path)
