"""Stages change the load linearly from target to target."""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.cli.options import RunOptions
from straingauge.engine import user_executors
from straingauge.errors import UsageError
from straingauge.journey import User, mix
from straingauge.schedule import RampingRate, RampingUsers, Schedule, stages

durations = st.sampled_from([0.0, 0.25, 1.0, 3.5, 60.0])
rate_stages = st.lists(st.tuples(durations, st.floats(0, 500)), min_size=1, max_size=5)
user_stages = st.lists(st.tuples(durations, st.integers(0, 60)), min_size=1, max_size=5)


def area(plan: Sequence[tuple[float, float]], until_s: float = math.inf) -> float:
    """Integrate the ramps up to an instant."""
    total, begin_s, before = 0.0, 0.0, 0.0
    for duration_s, target in plan:
        within_s = min(max(until_s - begin_s, 0.0), duration_s)
        if duration_s:
            reached = before + (target - before) * within_s / duration_s
            total += (before + reached) / 2 * within_s
        begin_s, before = begin_s + duration_s, target
    return total


def level(plan: Sequence[tuple[float, float]], at_s: float) -> float:
    """Return the ramp's value at an instant; 0 after its end."""
    begin_s, before = 0.0, 0.0
    for duration_s, target in plan:
        if at_s < begin_s + duration_s:
            return before + (target - before) * (at_s - begin_s) / duration_s
        begin_s, before = begin_s + duration_s, target
    return 0.0


def is_load(plan: Sequence[tuple[float, float]]) -> bool:
    """Return true if the plan has at least a thousandth of an arrival or of a user-second."""
    return area(plan) > 1e-3


@given(rate_stages.filter(is_load))
def test_area_under_the_ramp_is_the_number_of_arrivals(plan: list[tuple[float, float]]):
    """Arrival n starts when the area under the rate reaches n, in order, and none is lost."""
    schedule = RampingRate(tuple(plan))
    assert abs(schedule.count - area(plan)) <= 1
    numbers = sorted({*range(min(schedule.count, 40)), schedule.count // 2, schedule.count - 1})
    starts = [schedule.arrivals(n) for n in numbers]
    assert schedule.arrivals(schedule.count) is None
    for n, at_s in zip(numbers, starts, strict=True):
        assert at_s is not None
        assert 0 <= at_s <= schedule.duration_s
        assert area(plan, at_s) == pytest.approx(n, abs=1e-6, rel=1e-9)
    assert all(a <= b for a, b in pairwise(filter(None, starts)))


@given(user_stages.filter(is_load))
def test_area_under_the_ramp_is_the_time_of_the_users(plan: list[tuple[float, int]]):
    """The users' time in sum is the area under the ramp, less at most half a user at its ends."""
    schedule = RampingUsers(tuple(plan))
    spans = [schedule.active_s(user) for user in range(schedule.count)]
    total_s = sum(end - begin for each in spans for begin, end in each)
    assert total_s == pytest.approx(area(plan), rel=1e-9, abs=1e-9)
    for each in spans:
        assert all(begin <= end for begin, end in each)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(each))


@given(user_stages.filter(is_load), st.lists(st.floats(0, 1), max_size=8))
def test_users_follow_the_ramp_to_half_a_user(plan: list[tuple[float, int]], parts: list[float]):
    """The number of users at any instant is the ramp's value, rounded, and that of their spans."""
    schedule = RampingUsers(tuple(plan))
    for part in parts:
        at_s = schedule.duration_s * part
        wanted = level(plan, at_s)
        assert abs(schedule.users_at(at_s) - wanted) <= 0.5 + 1e-9
        if abs(wanted % 1 - 0.5) > 1e-6:  # halfway, a user begins or ends at this very instant
            spans = [span for user in range(schedule.count) for span in schedule.active_s(user)]
            assert schedule.users_at(at_s) == sum(begin <= at_s < end for begin, end in spans)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (("30s:100/s", "2m:100/s"), RampingRate(((30, 100), (120, 100)))),
        (("1m30s:60/m",), RampingRate(((90, 1.0),))),
        (("0s:10", "500ms:20", " 1h : 0 "), RampingUsers(((0, 10), (0.5, 20), (3600, 0)))),
    ],
)
def test_stages_as_text(texts: tuple[str, ...], wanted: Schedule):
    """A unit makes an arrival rate of a target; without one it is a number of users."""
    assert stages(*texts) == wanted


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ((), "at least one stage"),
        (("30s",), "'30s' is no stage"),
        (("30x:5",), "'30x:5' is no stage"),
        (("-3s:5",), "'-3s:5' is no stage"),
        (("30s:5/d",), "'30s:5/d' is no stage"),
        (("30s:nan/s",), "is no stage"),
        (("30s:2.5",), "a number of users is whole"),
        (("400d:5",), "longer than a year"),
        (("30s:5", "30s:5/s"), "mix numbers of users and arrival rates"),
        (("30s:0", "5s:0"), "the users of all stages are 0"),
        (("30s:0/s",), "the rates of all stages are 0"),
        (("0s:50/s",), "the duration of all stages must be more than 0"),
        (("300d:90000000/s",), "at most 1,000,000,000 arrivals"),
    ],
)
def test_invalid_stages_are_refused(texts: tuple[str, ...], message: str):
    """Invalid stages are a usage error that names the stage."""
    with pytest.raises(UsageError, match=message):
        stages(*texts)


def test_arrivals_have_no_think_time():
    """Think time applies to users alone."""
    with pytest.raises(UsageError, match="think_s applies to users"):
        stages("5s:5/s", think_s=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"duration": 5.0}, "--stage and --duration"),
        ({"rate": 5.0}, "--stage and --rate"),
        ({"warmup": 5.0}, "--stage and --warmup"),
        ({"users": 5}, "both set the number of users"),
    ],
)
def test_options_that_contradict_stages(options: dict[str, Any], message: str):
    """An option that also sets the load or its duration is refused with `--stage`."""
    with pytest.raises(UsageError, match=message):
        RunOptions(gets=("/",), stages=_parsed("5s:5"), **options)


def test_options_of_stages():
    """`--users` limits the users of a rate; think time applies to users."""
    at_rate = RunOptions(gets=("/",), stages=_parsed("5s:50/s"), users=7)
    assert (at_rate.user_count, at_rate.schedule()) == (7, stages("5s:50/s"))
    assert RunOptions(gets=("/",), stages=_parsed("5s:50/s")).user_count == 50
    of_users = RunOptions(gets=("/",), stages=_parsed("5s:50"), think=(1, 2))
    assert of_users.schedule() == stages("5s:50", think_s=(1, 2))
    assert of_users.user_count == 50


def _parsed(*texts: str) -> tuple[Any, ...]:
    from straingauge.schedule import Stage

    return tuple(Stage.parse(text) for text in texts)


class MadeLoop:
    """An event loop whose clock stands still between its calls."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._calls: list[tuple[int, int, Callable[..., object], tuple[object, ...]]] = []
        self._number = 0

    def call_later(self, delay_s: float, call: Callable[..., object], *args: object) -> None:
        """Call a function some seconds from now."""
        self._number += 1
        due_ns = self.now_ns + round(delay_s * 1e9)
        heapq.heappush(self._calls, (due_ns, self._number, call, args))

    def run(self) -> None:
        """Make all calls in order."""
        while self._calls:
            self.now_ns, _, call, args = heapq.heappop(self._calls)
            call(*args)


class MadeUser:
    """A virtual user whose journeys take the same time each."""

    def __init__(self, index: int, loop: MadeLoop, journey_s: float) -> None:
        self.user = User(index)
        self.journeys_begun = 0
        self.begun_s: list[float] = []
        self.executor: Any = None
        self._loop = loop
        self._journey_s = journey_s

    def begin(self, _journey: object, intended_ns: int, _sinks: object) -> None:
        """Begin a journey."""
        self.journeys_begun += 1
        self.begun_s.append(intended_ns / 1e9)
        self._loop.call_later(self._journey_s, lambda: self.executor.release(self))


def test_users_run_journeys_while_they_are_active(monkeypatch: pytest.MonkeyPatch):
    """Each user begins journeys from its place in the ramp up to its place in the ramp down."""

    def journey(user: User):
        yield user.get("/")

    loop = MadeLoop()
    monkeypatch.setattr(user_executors, "monotonic_ns", lambda: loop.now_ns)
    schedule = stages("10s:4", "5s:4", "10s:0", "5s:0", "0s:2", "5s:2")
    assert isinstance(schedule, RampingUsers)
    users = [MadeUser(index, loop, journey_s=0.5) for index in range(4)]

    class Context:
        def __init__(self) -> None:
            self.loop = loop

    context: Any = Context()
    virtual_users: Any = users
    executor = user_executors.RampingUsersExecutor(
        context,
        virtual_users,
        schedule=schedule,
        mix=mix(journey),
        sinks_at=lambda _: None,  # type: ignore[arg-type, return-value]
        start_ns=0,
    )
    for user in users:
        user.executor = executor
    executor.begin()
    loop.run()
    for user in users:
        spans = schedule.active_s(user.user.index)
        begun = Counter(
            next(n for n, (begin, end) in enumerate(spans) if begin <= at_s < end)
            for at_s in user.begun_s
        )
        assert begun == {n: math.ceil((end - begin) / 0.5) for n, (begin, end) in enumerate(spans)}
        assert user.begun_s[0] == pytest.approx(spans[0][0])
    assert [len(schedule.active_s(user)) for user in range(4)] == [2, 2, 1, 1]
