"""The engine: runs the virtual users of one process to the end."""

import asyncio
import time
from collections.abc import Callable
from copy import copy
from typing import Any, Final

from straingauge.engine.connection_pool import ConnectionPools
from straingauge.engine.delay_histogram import Delay, DelayHistogram
from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.load import EngineStats, Load, ScenarioStats
from straingauge.engine.request_timeouts import expire_first_byte_timeouts, expire_timeouts
from straingauge.engine.run_context import RunContext
from straingauge.engine.scenario_run import ScenarioRun
from straingauge.engine.session_dispatcher import SessionDispatcher
from straingauge.engine.socket_channel import end_closing
from straingauge.histogram import Histogram

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
        sinks_at: the sinks of a journey, by its scenario and then by its intended start.
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
        sinks_at: Callable[[str], Callable[[int], EndpointSinks]],
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
        self._on_arrivals = on_arrivals
        self._on_tick = on_tick
        self._pools: ConnectionPools | None = None
        if load.connections == "shared":
            self._pools = ConnectionPools(load.most_connections(*share))
        self._has_scenarios = bool(load.scenarios)
        self._runs = [
            ScenarioRun(
                copy(context),
                part,
                share=share,
                start_ns=start_ns,
                sinks_at=sinks_at(part.name),
                stop_early=stop_early,
                pools=self._pools,
                max_queued=load.most_waiting,
                on_over=self._end_if_over,
            )
            for part in load.parts
        ]
        self._users = [user for run in self._runs for user in run.users]
        self._loop_lag = DelayHistogram()
        self._heartbeats = 0
        self._heartbeat_due_ns = 0
        self._has_ended = False
        self._crash: BaseException | None = None
        context.loop.set_exception_handler(self._handle_crash)

    def run(self) -> EngineStats:
        """Run to the end, or until Ctrl-C."""
        loop = self._context.loop
        cpu_s, began_ns = time.process_time(), time.monotonic_ns()
        is_interrupted, abandoned = False, 0
        loop.call_soon(self._begin)
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            ended_ns = time.monotonic_ns()
            self._has_ended = True
            if self._pools is not None:
                self._pools.close()
            abandoned = sum(run.abandon() for run in self._runs)
            for run in self._runs:
                run.context.close()
            loop.run_until_complete(end_closing(self._context.closing))
        if isinstance(self._crash, KeyboardInterrupt):  # a signal's handler ran in a callback
            is_interrupted = True
        elif self._crash is not None:
            raise self._crash
        contexts = [run.context for run in self._runs]
        lags = [run.dispatcher.lag for run in self._runs]
        start_delay = Histogram()
        for lag in lags:
            start_delay.merge(lag.start_delay.histogram)
        return EngineStats(
            sent=sum(each.sent for each in contexts),
            journeys=sum(each.journeys for each in contexts),
            dropped=sum(lag.dropped for lag in lags),
            waited=sum(lag.waited for lag in lags),
            connections=sum(each.connections for each in contexts),
            reconnected=sum(each.reconnected for each in contexts),
            http2_connections=sum(each.http2_connections for each in contexts),
            http1_instead=sum(each.http1_instead for each in contexts),
            closed_idle=sum(each.closed_idle for each in contexts),
            abandoned=abandoned,
            start_delay_ms=Delay.of(start_delay),
            loop_lag_ms=Delay.of(self._loop_lag.histogram),
            cpu_share=(time.process_time() - cpu_s) / max((ended_ns - began_ns) / 1e9, 1e-9),
            duration_s=(ended_ns - self._start_ns) / 1e9,
            interrupted=is_interrupted,
            waited_for_connection=self._pools.waited if self._pools is not None else 0,
            end_reason=self._end_reason,
            thread_queue_ms=Delay.of(self._context.thread_queue.histogram),
            blocking_call=self._blocking_call,
            scenarios=self._scenario_stats(),
            deviation=self._deviation,
        )

    def _scenario_stats(self) -> dict[str, ScenarioStats]:
        if not self._has_scenarios:
            return {}
        return {
            run.scenario.name: ScenarioStats(
                run.context.journeys,
                run.dispatcher.lag.dropped,
                run.dispatcher.lag.waited,
                run.dispatcher.lag.start_delay_ms,
            )
            for run in self._runs
        }

    @property
    def _deviation(self) -> Histogram | None:
        """Delays from the times of a recording; None without one."""
        dispatcher = self._runs[0].dispatcher
        if not isinstance(dispatcher, SessionDispatcher):
            return None
        return dispatcher.deviation.histogram

    @property
    def _blocking_call(self) -> tuple[str, float] | None:
        """The own step that kept the event loop for the longest time, and that time in ms."""
        found = [run.context.blocking for run in self._runs if run.context.blocking is not None]
        longest_ns, name = max(found, default=(0, ""))
        return (name, longest_ns / 1e6) if found else None

    @property
    def _end_reason(self) -> str | None:
        return next(filter(None, (run.context.end_reason for run in self._runs)), None)

    def _begin(self) -> None:
        for run in self._runs:
            run.begin()
        self._heartbeat_due_ns = time.monotonic_ns()
        self._heartbeat()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if all(run.is_over for run in self._runs):
            self._end()

    def _end(self) -> None:
        """End the run, once: a second stop would interrupt the loop's clean-up instead."""
        if not self._has_ended:
            self._has_ended = True
            self._context.loop.stop()

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
            started = sum(run.context.journeys for run in self._runs)
            pending = sum(run.dispatcher.pending for run in self._runs)
            busy = sum(run.context.busy for run in self._runs)
            self._on_arrivals(started, started + pending, busy)
        if self._on_tick is not None:
            self._on_tick()

    def _close_if_due(self, now_ns: int) -> None:
        """Close on demand, or when journeys had the length of a timeout to end."""
        for run in self._runs:
            if run.context.is_closing:
                run.end_waiting()
        if all(run.context.is_closing for run in self._runs):
            if self._abandon():
                self._end()
            return
        should_stop, has_ended = self._should_stop(), self._end_reason is not None
        for run in self._runs:
            if should_stop and not run.context.is_closing:
                run.close()
            else:
                if has_ended:
                    run.stop()
                run.close_if_due(now_ns)
        if has_ended:
            self._end_if_over()

    def _handle_crash(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the run, which would otherwise hang, with the exception that a callback raised."""
        error = context.get("exception")
        if isinstance(error, OSError) and ("transport" in context or "protocol" in context):
            return  # a connection's end, which its `connection_lost` brings as well
        self._crash = self._crash or error or RuntimeError(str(context.get("message")))
        self._end()
