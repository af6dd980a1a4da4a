"""The engine: runs the virtual users of one process to the end."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from straingauge.engine.connection_pool import ConnectionPool, PooledVirtualUser
from straingauge.engine.delay_histogram import Delay, DelayHistogram
from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.executors import ArrivalRateExecutor, Executor, WaveExecutor
from straingauge.engine.load import EngineStats, Load
from straingauge.engine.request_timeouts import expire_first_byte_timeouts, expire_timeouts
from straingauge.engine.run_context import RunContext
from straingauge.engine.user_executors import ConstantUsersExecutor, RampingUsersExecutor
from straingauge.engine.virtual_user import VirtualUser
from straingauge.schedule import ConstantUsers, RampingUsers, Waves

# A heartbeat measures the loop's lag; every 5th looks for timeouts, every 50th calls `on_tick`. So
# a timeout costs nothing on the hot path and is noticed at most 50 ms late.
_HEARTBEAT_S: Final = 0.010
_HEARTBEATS_PER_CHECK: Final = 5
_HEARTBEATS_PER_TICK: Final = 50


class Engine:
    """Runs the virtual users of one process, with timeouts and its own statistics.

    Args:
        context: state shared with the virtual users.
        load: the load.
        share: (i, n): run the i-th of n shares.
        start_ns: start instant of `time.monotonic_ns`.
        sinks_at: the sinks of a journey by its intended start.
        should_stop: called 20 times a second; once it returns true, no further request is sent.
        stop_early: called between waves; see `WaveExecutor`.
        abandon: called once no further request is sent; true ends the run without those in flight.
        on_tick: called twice a second.
        on_arrivals: called before it; see `run_load`.
    """

    def __init__(
        self,
        context: RunContext,
        load: Load,
        *,
        share: tuple[int, int],
        start_ns: int,
        sinks_at: Callable[[int], EndpointSinks],
        should_stop: Callable[[], bool],
        stop_early: Callable[[], bool],
        abandon: Callable[[], bool],
        on_tick: Callable[[], None] | None,
        on_arrivals: Callable[[int, int, int], None] | None,
    ) -> None:
        self._context = context
        self._start_ns = start_ns
        self._first_byte_timeout_s = load.http.first_byte_timeout_s
        self._should_stop = should_stop
        self._abandon = abandon
        self._on_tick = on_tick
        self._on_arrivals = on_arrivals
        self._pool: ConnectionPool | None = None
        self._users = self._make_users(load, share)
        self._dispatcher = Dispatcher(self._users, load.mix, sinks_at, load.most_waiting)
        self._executor = self._make_executor(load, share, sinks_at, stop_early)
        self._loop_lag = DelayHistogram()
        self._heartbeats = 0
        self._heartbeat_due_ns = 0
        self._drain_until_ns = 0
        self._has_ended = False
        self._crash: BaseException | None = None
        context.loop.set_exception_handler(self._handle_crash)

    def _make_users(self, load: Load, share: tuple[int, int]) -> list[VirtualUser]:
        context, finish, users = self._context, self._finish, load.assign_users(*share)
        if load.connections != "shared":
            return [VirtualUser(user, context, finish) for user in users]
        pool = self._pool = ConnectionPool(load.most_connections(*share))
        return [PooledVirtualUser(user, context, finish, pool) for user in users]

    def _make_executor(
        self,
        load: Load,
        share: tuple[int, int],
        sinks_at: Callable[[int], EndpointSinks],
        stop_early: Callable[[], bool],
    ) -> Executor:
        context, schedule, start_ns = self._context, load.schedule, self._start_ns
        if isinstance(schedule, ConstantUsers | RampingUsers) and schedule.duration_s is not None:
            left_s = schedule.duration_s + (start_ns - time.monotonic_ns()) / 1e9
            context.loop.call_later(max(left_s, 0), self._close)
        if isinstance(schedule, RampingUsers):
            return RampingUsersExecutor(
                context,
                self._users,
                schedule=schedule,
                mix=load.mix,
                sinks_at=sinks_at,
                start_ns=start_ns,
            )
        if isinstance(schedule, ConstantUsers):
            return ConstantUsersExecutor(
                context,
                self._users,
                schedule=schedule,
                mix=load.mix,
                sinks_at=sinks_at,
                start_ns=start_ns,
            )
        if isinstance(schedule, Waves):
            return WaveExecutor(
                context,
                self._dispatcher,
                waves=schedule,
                share=share,
                start_ns=start_ns,
                stop_early=stop_early,
            )
        return ArrivalRateExecutor(
            context, self._dispatcher, schedule=schedule, share=share, start_ns=start_ns
        )

    def run(self) -> EngineStats:
        """Run to the end, or until Ctrl-C."""
        loop, context = self._context.loop, self._context
        cpu_s, began_ns = time.process_time(), time.monotonic_ns()
        is_interrupted, abandoned = False, 0
        loop.call_soon(self._begin)
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            ended_ns = time.monotonic_ns()
            self._has_ended = context.is_closing = True
            self._executor.stop()
            self._dispatcher.drop_queued()
            if self._pool is not None:
                self._pool.close()
            for user in self._users:
                abandoned += user.abandon()
            context.close()
        if self._crash is not None:
            raise self._crash
        lag = self._dispatcher.lag
        return EngineStats(
            sent=context.sent,
            journeys=context.journeys,
            dropped=lag.dropped,
            waited=lag.waited,
            connections=context.connections,
            reconnected=context.reconnected,
            closed_idle=context.closed_idle,
            abandoned=abandoned,
            start_delay_ms=lag.start_delay_ms,
            loop_lag_ms=Delay.of(self._loop_lag.histogram),
            cpu_share=(time.process_time() - cpu_s) / max((ended_ns - began_ns) / 1e9, 1e-9),
            duration_s=(ended_ns - self._start_ns) / 1e9,
            interrupted=is_interrupted,
            waited_for_connection=self._pool.waited if self._pool is not None else 0,
            end_reason=context.end_reason,
            thread_queue_ms=Delay.of(context.thread_queue.histogram),
            blocking_call=context.blocking and (context.blocking[1], context.blocking[0] / 1e6),
        )

    def _finish(self, user: VirtualUser) -> None:
        """Handle a user that has finished its journey."""
        executor = self._executor
        executor.release(user)
        if executor.is_over:
            self._end_if_over()

    def _begin(self) -> None:
        self._executor.begin()
        self._heartbeat_due_ns = time.monotonic_ns()
        self._heartbeat()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._executor.is_over and not self._context.busy:
            self._end()

    def _end(self) -> None:
        """End the run, once: a second stop would interrupt the loop's clean-up instead."""
        if not self._has_ended:
            self._has_ended = True
            self._context.loop.stop()

    def _close(self) -> None:
        """Send no further request; those in flight are awaited."""
        self._context.is_closing = True
        self._executor.stop()
        self._dispatcher.drop_queued()
        for user in self._users:
            if user.is_pausing:
                user.stop()
            else:
                user.end_waiting()
        self._end_if_over()

    def _heartbeat(self) -> None:
        now_ns = time.monotonic_ns()
        self._loop_lag.add(max(now_ns - self._heartbeat_due_ns, 0))
        self._heartbeats += 1
        if self._heartbeats % _HEARTBEATS_PER_CHECK == 0:
            expire_timeouts(self._users, now_ns)
            if self._first_byte_timeout_s:
                expire_first_byte_timeouts(self._users, self._first_byte_timeout_s, now_ns)
            self._close_if_due(now_ns)
        if self._heartbeats % _HEARTBEATS_PER_TICK == 0:
            self._tick()
        self._heartbeat_due_ns = time.monotonic_ns() + round(_HEARTBEAT_S * 1e9)
        self._context.loop.call_later(_HEARTBEAT_S, self._heartbeat)

    def _tick(self) -> None:
        if self._on_arrivals is not None:
            started = self._context.journeys
            self._on_arrivals(started, started + self._dispatcher.pending, self._context.busy)
        if self._on_tick is not None:
            self._on_tick()

    def _close_if_due(self, now_ns: int) -> None:
        """Close on demand, or when journeys had the length of a timeout to end."""
        if self._context.is_closing:
            if self._abandon():
                self._end()
            return
        if self._context.end_reason is not None:
            self._executor.stop()
            self._end_if_over()
        if self._executor.is_over:
            self._drain_until_ns = self._drain_until_ns or now_ns + self._context.timeout_ns
        if self._should_stop() or 0 < self._drain_until_ns < now_ns:
            self._close()

    def _handle_crash(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the run, which would otherwise hang, with the exception that a callback raised."""
        error = context.get("exception")
        if isinstance(error, OSError) and ("transport" in context or "protocol" in context):
            return  # a connection's end, which its `connection_lost` brings as well
        self._crash = self._crash or error or RuntimeError(str(context.get("message")))
        self._end()
