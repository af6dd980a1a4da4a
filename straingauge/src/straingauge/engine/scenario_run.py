"""One process's share of a running scenario: its virtual users, and what starts their journeys."""

import time
from collections.abc import Callable

from straingauge.engine.arrival_rate_executor import ArrivalRateExecutor
from straingauge.engine.connection_pool import ConnectionPools, PooledVirtualUser
from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.executor import Executor
from straingauge.engine.paced_executors import executor_type
from straingauge.engine.run_context import RunContext
from straingauge.engine.scenario_load import ScenarioLoad
from straingauge.engine.session_dispatcher import SessionDispatcher
from straingauge.engine.user_executors import ConstantUsersExecutor, RampingUsersExecutor
from straingauge.engine.virtual_user import VirtualUser
from straingauge.engine.wave_executor import WaveExecutor
from straingauge.schedule import ConstantUsers, RampingUsers, Recorded, Waves


class ScenarioRun:
    """Runs the virtual users of a scenario in this process.

    Args:
        context: state shared by its virtual users.
        scenario: the scenario.
        share: (i, n): run the i-th of n shares.
        start_ns: start instant of the load, of `time.monotonic_ns`.
        sinks_at: the sinks of a journey by its intended start.
        stop_early: called between waves; see `WaveExecutor`.
        pools: connections that all users share, if any.
        max_queued: arrivals that may wait for a free user; more are dropped.
        on_over: called when nothing will be started any more and a journey has ended.

    Attributes:
        scenario: the same.
        context: the same.
        users: the virtual users.
        dispatcher: gives arrivals to them.
    """

    def __init__(
        self,
        context: RunContext,
        scenario: ScenarioLoad,
        *,
        share: tuple[int, int],
        start_ns: int,
        sinks_at: Callable[[int], EndpointSinks],
        stop_early: Callable[[], bool],
        pools: ConnectionPools | None,
        max_queued: int,
        on_over: Callable[[], None],
    ) -> None:
        self.scenario = scenario
        self.context = context
        self._on_over = on_over
        self._drain_until_ns = 0
        assigned = scenario.assign_users(*share)
        self.users: list[VirtualUser] = (
            [VirtualUser(user, context, self._finish) for user in assigned]
            if pools is None
            else [PooledVirtualUser(user, context, self._finish, pools) for user in assigned]
        )
        self.dispatcher = Dispatcher(self.users, scenario.mix, sinks_at, max_queued)
        if isinstance(scenario.schedule, Recorded):
            own = scenario.schedule.share_by_user(*share)
            self.dispatcher = SessionDispatcher(self.users, scenario.mix, sinks_at, max_queued, own)
        start_ns += round(scenario.start_s * 1e9)
        self._executor = self._make_executor(share, start_ns, sinks_at, stop_early)

    def _make_executor(
        self,
        share: tuple[int, int],
        start_ns: int,
        sinks_at: Callable[[int], EndpointSinks],
        stop_early: Callable[[], bool],
    ) -> Executor:
        context, schedule, mix = self.context, self.scenario.schedule, self.scenario.mix
        if isinstance(schedule, ConstantUsers | RampingUsers) and schedule.duration_s is not None:
            left_s = schedule.duration_s + (start_ns - time.monotonic_ns()) / 1e9
            context.loop.call_later(max(left_s, 0), self.close)
        if isinstance(schedule, ConstantUsers | RampingUsers):
            is_ramp = isinstance(schedule, RampingUsers)
            executor = RampingUsersExecutor if is_ramp else ConstantUsersExecutor
            return executor_type(executor, context)(  # type: ignore[no-any-return]
                context,
                self.users,
                schedule=schedule,
                mix=mix,
                sinks_at=sinks_at,
                start_ns=start_ns,
            )
        if isinstance(schedule, Waves):
            return WaveExecutor(
                context,
                self.dispatcher,
                waves=schedule,
                share=share,
                start_ns=start_ns,
                stop_early=stop_early,
            )
        if isinstance(schedule, Recorded):
            schedule, share = schedule.share_by_user(*share), (0, 1)
        return executor_type(ArrivalRateExecutor, context)(  # type: ignore[no-any-return]
            context, self.dispatcher, schedule=schedule, share=share, start_ns=start_ns
        )

    @property
    def is_over(self) -> bool:
        """Nothing will be started any more, and no journey is running."""
        return self._executor.is_over and not self.context.busy

    def begin(self) -> None:
        """Start or schedule the first journeys."""
        self._executor.begin()

    def stop(self) -> None:
        """Start no further journey; those that run come to their end."""
        self._executor.stop()

    def close(self) -> None:
        """Send no further request; those in flight are awaited."""
        self.context.is_closing = True
        self._executor.stop()
        self.dispatcher.drop_queued()
        for user in self.users:
            if user.is_pausing:
                user.stop()
        self.end_waiting()
        self._on_over()

    def end_waiting(self) -> None:
        """End what only the end of the load ends; again later, when more of it has begun."""
        for user in self.users:
            if user.deadline_ns:
                user.end_waiting()

    def close_if_due(self, now_ns: int) -> None:
        """Close when journeys had the length of a timeout to end."""
        if self.context.is_closing or not self._executor.is_over:
            return
        self._drain_until_ns = self._drain_until_ns or now_ns + self.context.timeout_ns
        if self._drain_until_ns < now_ns:
            self.close()

    def abandon(self) -> int:
        """Give everything up; return the number of requests in flight."""
        self.context.is_closing = True
        self._executor.stop()
        self.dispatcher.drop_queued()
        return sum(user.abandon() for user in self.users)

    def _finish(self, user: VirtualUser) -> None:
        """Handle a user that has finished its journey."""
        executor = self._executor
        executor.release(user)
        if executor.is_over:
            self._on_over()
