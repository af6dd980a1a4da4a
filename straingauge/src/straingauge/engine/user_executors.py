"""Executors of the closed model: each user begins its next journey when it has finished one."""

from collections.abc import Callable
from time import monotonic_ns
from typing import Generic, TypeVar

from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.run_context import RunContext
from straingauge.engine.virtual_user import VirtualUser
from straingauge.journey import Mix
from straingauge.schedule import ClosedSchedule, ConstantUsers, RampingUsers

ClosedScheduleT = TypeVar("ClosedScheduleT", bound=ClosedSchedule)


class UsersExecutor(Generic[ClosedScheduleT]):
    """Starts a user's next journey when it has finished one, after its think time."""

    def __init__(
        self,
        context: RunContext,
        virtual_users: list[VirtualUser],
        *,
        schedule: ClosedScheduleT,
        mix: Mix,
        sinks_at: Callable[[int], EndpointSinks],
        start_ns: int,
    ) -> None:
        self.is_over = not virtual_users
        self._context = context
        self._virtual_users = virtual_users
        self._schedule = schedule
        self._mix = mix
        self._sinks_at = sinks_at
        self._start_ns = start_ns
        self._think_range_s = schedule.think_range_s if schedule.think_s else None

    def release(self, user: VirtualUser) -> None:
        """See `Executor`."""
        if self.is_over:
            return
        if self._think_range_s is not None:
            think_s = user.user.random.uniform(*self._think_range_s)
            self._context.loop.call_later(think_s, self._again, user)
        else:
            self._again(user)

    def stop(self) -> None:
        """See `Executor`."""
        self.is_over = True

    def _again(self, user: VirtualUser) -> None:
        if not self.is_over:
            journey = self._mix.pick(user.user.index + user.journeys_begun)
            now_ns = monotonic_ns()
            user.begin(journey, now_ns, self._sinks_at(now_ns))

    def _call_at(self, after_s: float, call: Callable[..., None], *args: object) -> None:
        """Call a function some seconds after the start, at once if that has passed."""
        delay_s = (self._start_ns + round(after_s * 1e9) - monotonic_ns()) / 1e9
        self._context.loop.call_later(max(delay_s, 0), call, *args)


class ConstantUsersExecutor(UsersExecutor[ConstantUsers]):
    """Runs a constant number of users."""

    def begin(self) -> None:
        """See `Executor`."""
        schedule = self._schedule
        self._running = len(self._virtual_users)
        for user in self._virtual_users:
            self._call_at(schedule.begins(user.user.index % schedule.count), self._again, user)

    def release(self, user: VirtualUser) -> None:
        """See `Executor`."""
        iterations = self._schedule.iterations
        if iterations is not None and user.journeys_begun >= iterations and not self.is_over:
            self._running -= 1
            self.is_over = not self._running
        else:
            super().release(user)


class RampingUsersExecutor(UsersExecutor[RampingUsers]):
    """Runs a number of users that changes; each begins journeys while it is active."""

    def begin(self) -> None:
        """See `Executor`."""
        schedule = self._schedule
        self._idle = set(self._virtual_users)
        self._until_ns: dict[VirtualUser, int] = {}
        for user in self._virtual_users:
            for begin_s, end_s in schedule.active_s(user.user.index % schedule.count):
                self._call_at(begin_s, self._activate, user, end_s)

    def _activate(self, user: VirtualUser, end_s: float) -> None:
        self._until_ns[user] = self._start_ns + round(end_s * 1e9)
        if user in self._idle:  # else it is still in a journey, or thinks
            self._idle.remove(user)
            self._again(user)

    def _again(self, user: VirtualUser) -> None:
        if monotonic_ns() < self._until_ns[user]:
            super()._again(user)
        else:
            self._idle.add(user)
