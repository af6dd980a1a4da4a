"""Executors of loads that a user may change while they run; others have no cost from that."""

from math import floor
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from straingauge.engine.arrival_rate_executor import EARLY_NS, ArrivalRateExecutor
from straingauge.engine.pace import Pace
from straingauge.engine.run_context import RunContext
from straingauge.engine.user_executors import ConstantUsersExecutor, RampingUsersExecutor
from straingauge.engine.virtual_user import VirtualUser

if TYPE_CHECKING:
    from straingauge.engine.user_executors import UsersExecutor
    from straingauge.schedule import ClosedSchedule

    _Users = UsersExecutor[ClosedSchedule]
else:
    _Users = object


class PacedArrivalRateExecutor(ArrivalRateExecutor):
    """Starts more or fewer arrivals than its schedule has, in the same time.

    At 200 %, each second has twice the arrivals that the schedule has in that second. Arrivals that
    would have been due in a pause are not made up for.
    """

    def __init__(self, context: RunContext, *args: Any, **named: Any) -> None:  # noqa: ANN401  of its base class
        self._position = 0.0  # in the schedule, in arrivals
        self._pace = Pace()
        self._is_waiting = False
        super().__init__(context, *args, **named)
        assert context.pace is not None
        context.pace.add(self)

    def set_pace(self, pace: Pace) -> None:
        """See `Paced`."""
        was_paused, self._pace = self._pace.paused, pace
        if was_paused and not pace.paused and not self.is_over:
            self._position = max(self._position, self._next_after(monotonic_ns()))
            if not self._is_waiting:
                self._due()

    def _due(self) -> None:
        self._is_waiting, is_first = False, True
        while not self.is_over and not self._pace.paused:
            after_s = self._at_s(self._position)
            if after_s is None:
                self.stop()
                return
            intended_ns = self._start_ns + round(after_s * 1e9)
            if intended_ns > monotonic_ns() + (0 if is_first else EARLY_NS):
                self._is_waiting = True
                self._timer.set(intended_ns)
                return
            self._dispatcher.dispatch(self._i + self._next * self._n, intended_ns)
            self._next += 1
            is_first = False
            self._position += 100 / self._pace.rate_percent

    def _at_s(self, position: float) -> float | None:
        """Return the time at a position, between those of the two arrivals around it."""
        first = floor(position)
        before_s, part = self._schedule.arrivals(first), position - first
        if before_s is None or not part:
            return before_s
        after_s = self._schedule.arrivals(first + 1)
        return None if after_s is None else before_s + part * (after_s - before_s)

    def _next_after(self, now_ns: int) -> int:
        """Return the first arrival that is not due yet, or the number of all."""
        now_s = (now_ns - self._start_ns) / 1e9

        def is_due(n: int) -> bool:
            at_s = self._schedule.arrivals(n)
            return at_s is not None and at_s <= now_s

        low, high = floor(self._position), floor(self._position) + 1
        while is_due(high):
            low, high = high, 2 * high
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if is_due(middle) else (low, middle)
        return low


class _PacedUsers(_Users):
    """Lets the first users begin journeys, as many as the pace has, or none in a pause."""

    def __init__(self, context: RunContext, *args: Any, **named: Any) -> None:  # noqa: ANN401  of its base class
        self._pace = Pace()
        self._held: list[VirtualUser] = []
        super().__init__(context, *args, **named)
        assert context.pace is not None
        context.pace.add(self)

    def set_pace(self, pace: Pace) -> None:
        """See `Paced`."""
        self._pace = pace
        held, self._held = self._held, []
        for user in held:
            self._again(user)

    def _again(self, user: VirtualUser) -> None:
        pace = self._pace
        if pace.paused or (pace.users is not None and user.user.index >= pace.users):
            self._held.append(user)
        else:
            super()._again(user)


class PacedConstantUsersExecutor(_PacedUsers, ConstantUsersExecutor):
    """Constant users whose number may be reduced and raised again."""


class PacedRampingUsersExecutor(_PacedUsers, RampingUsersExecutor):
    """Ramping users, likewise."""


def executor_type(base: Any, context: RunContext) -> Any:  # noqa: ANN401  a class and one derived from it
    """Return the class of an executor: the base, or where the pace may change the derived one."""
    return base if context.pace is None else _PACED[base]


_PACED: dict[Any, Any] = {
    ArrivalRateExecutor: PacedArrivalRateExecutor,
    ConstantUsersExecutor: PacedConstantUsersExecutor,
    RampingUsersExecutor: PacedRampingUsersExecutor,
}
