"""Arrivals of the open model that are so near that one wake-up of the process starts them."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from straingauge.engine import arrival_rate_executor, paced_executors
from straingauge.engine.arrival_queue import ArrivalQueue
from straingauge.engine.arrival_rate_executor import EARLY_NS, ArrivalRateExecutor
from straingauge.engine.pace import PaceControl
from straingauge.engine.paced_executors import PacedArrivalRateExecutor
from straingauge.engine.schedule_lag import ScheduleLag

from straingauge import constant

START_NS = 10**12


class Clock:
    """A made clock, the timer that waits for it, and what is dispatched."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.waits_until_ns: int | None = None
        self.due: Callable[[], None]
        self.pace = PaceControl()
        self.loop = None
        self.dispatched: list[tuple[int, int, int]] = []

    def set(self, at_ns: int) -> None:
        """See `Timer`."""
        self.waits_until_ns = at_ns

    def close(self) -> None:
        """See `Timer`."""
        self.waits_until_ns = None

    def dispatch(self, n: int, intended_ns: int) -> None:
        """Note an arrival, when it was due, and when it left."""
        self.dispatched.append((n, intended_ns - START_NS, self.now_ns - START_NS))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still until the executor waits."""
    clock = Clock()
    for module in (arrival_rate_executor, paced_executors):
        monkeypatch.setattr(module, "monotonic_ns", lambda: clock.now_ns)

    def make_timer(_loop: object, call: Callable[[], None]) -> Clock:
        clock.due = call
        return clock

    monkeypatch.setattr(arrival_rate_executor, "make_timer", make_timer)
    return clock


@pytest.mark.parametrize("kind", [ArrivalRateExecutor, PacedArrivalRateExecutor])
@pytest.mark.parametrize(
    ("rate_per_s", "leave_at_ns"),
    [
        (5_000, [0, 0, 0, 600_000, 600_000, 600_000]),
        (1_000, [0, 1_000_000, 2_000_000]),
    ],
)
def test_near_arrivals_leave_together(
    clock: Clock, kind: type[ArrivalRateExecutor], rate_per_s: int, leave_at_ns: list[int]
):
    """Arrivals within half a millisecond leave with the first of them; none leaves late."""
    schedule = constant(rate_per_s=rate_per_s, duration_s=len(leave_at_ns) / rate_per_s)
    executor = kind(
        cast("Any", clock),
        cast("Any", clock),
        schedule=schedule,
        share=(0, 1),
        start_ns=START_NS,
    )
    executor.begin()
    while clock.waits_until_ns is not None:
        clock.now_ns = clock.waits_until_ns
        clock.due()
    assert [at_ns for _, _, at_ns in clock.dispatched] == leave_at_ns
    step_ns = 1_000_000_000 // rate_per_s
    for n, (number, intended_ns, left_ns) in enumerate(clock.dispatched):
        assert (number, intended_ns) == (n, n * step_ns)
        assert 0 <= intended_ns - left_ns <= EARLY_NS


def test_an_early_arrival_is_not_late():
    """The start delay of an arrival that leaves before it is due is 0."""
    lag = ScheduleLag()
    ArrivalQueue(["user"]).arrive(0, 2**62, lag)
    assert lag.start_delay_ms.max == 0
