"""One run of the engine, from its start instant to its report."""

import asyncio
import gc
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from straingauge.engine.connection_pool import ConnectionPool, PooledVirtualUser
from straingauge.engine.delay_histogram import DelayHistogram
from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.executors import (
    ArrivalRateExecutor,
    ConstantUsersExecutor,
    Executor,
    WaveExecutor,
)
from straingauge.engine.load import Delay, EngineStats, Load, OutcomeSink
from straingauge.engine.phases import channels_by_start, require_detectable
from straingauge.engine.rlimit import raise_fd_limit
from straingauge.engine.run_context import Channels, RunContext
from straingauge.engine.virtual_user import VirtualUser
from straingauge.errors import UsageError
from straingauge.http.address import resolve
from straingauge.schedule import ConstantUsers, Waves

# The clockwork: a beat measures the loop's lag, every 5th looks for timeouts, every 50th reports.
# So a timeout costs nothing on the hot path and is noticed at most 50 ms late.
_BEAT_S: Final = 0.010
_BEATS_A_SWEEP: Final = 5
_BEATS_A_TICK: Final = 50


def run_load(
    load: Load,
    recorder: OutcomeSink,
    *,
    phase: str = "main",
    start_ns: int | None = None,
    share: tuple[int, int] = (0, 1),
    warmup_s: float = 0.0,
    detect_warmup: bool = False,
    stop: Callable[[], bool] | None = None,
    enough: Callable[[], bool] | None = None,
    on_tick: Callable[[], None] | None = None,
) -> EngineStats:
    """Play a load, or one process's share of it, and wait until it is over.

    After the last arrival, journeys have `load.timeout_s` to end; then no further request is sent
    and those under way are awaited. Where users loop for a duration, that is so at its end.

    Args:
        load: what to play.
        recorder: where outcomes go.
        phase: which phase they count in.
        start_ns: the start instant of `time.monotonic_ns`, the same for all processes; now if None.
        share: (i, n) plays the i-th of n shares.
        warmup_s: journeys that start earlier than this count in the phase "warmup".
        detect_warmup: keep the beginning in segments, for `summary.settle` to find the warm-up in.
        stop: asked 20 times a second; once true, no further request is sent.
        enough: asked between waves, after the least number of them; true ends the run.
        on_tick: called twice a second in the engine's thread; it should be quick.

    Raises:
        UsageError: the target is not this machine and not allowed, or its URL makes no sense, or
            this process may not open as many connections; or a warm-up is to be detected where the
            load itself changes.
        TargetError: its name does not resolve.
    """
    if not 0 <= share[0] < share[1]:
        raise UsageError(f"share {share[0]} of {share[1]} does not exist")
    if detect_warmup:
        require_detectable(load.schedule, warmup_s)
    address = resolve(load.base_url, load.allowed_hosts)
    with raise_fd_limit(load.most_connections(*share)), _own_loop() as loop, _few_pauses(phase):
        start_ns = time.monotonic_ns() if start_ns is None else start_ns
        tls = (load.tls or ssl.create_default_context()) if address.tls else None
        engine = Engine(loop, stop, on_tick)
        stage = RunContext(
            loop=loop,
            address=address,
            tls=tls,
            timeout_s=load.timeout_s,
            keep_connections=load.connections != "per-journey",
            finished=engine.release,
        )
        engine.prepare(
            stage,
            load,
            share=share,
            start_ns=start_ns,
            channels_at=channels_by_start(
                recorder, phase, start_ns, warmup_s=warmup_s, detect=detect_warmup
            ),
            enough=enough or _never,
        )
        return engine.run()


class Engine:
    """Runs a stage's players to the end, and keeps the clockwork."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stop: Callable[[], bool] | None,
        on_tick: Callable[[], None] | None,
    ) -> None:
        self._loop = loop
        self._stop = stop or _never
        self._on_tick = on_tick
        self._lag = DelayHistogram()
        self._beats = 0
        self._beat_due_ns = 0
        self._drained_ns = 0
        self._crash: BaseException | None = None
        self._halted = False
        self._pool: ConnectionPool | None = None
        # Set by `prepare`.
        self._stage: RunContext
        self._start_ns: int
        self._players: list[VirtualUser]
        self._desk: Dispatcher
        self._starter: Executor
        loop.set_exception_handler(self._crashed)

    def prepare(
        self,
        stage: RunContext,
        load: Load,
        *,
        share: tuple[int, int],
        start_ns: int,
        channels_at: Callable[[int], Channels],
        enough: Callable[[], bool],
    ) -> None:
        """Cast the players and choose who starts them."""
        self._stage, self._start_ns = stage, start_ns
        players = self._players = self._cast(load, share)
        desk = self._desk = Dispatcher(players, load.mix, channels_at, load.most_waiting)
        schedule = load.schedule
        if isinstance(schedule, ConstantUsers):
            self._starter = ConstantUsersExecutor(
                stage,
                players,
                users=schedule,
                mix=load.mix,
                channels_at=channels_at,
                start_ns=start_ns,
            )
            if schedule.duration_s is not None:
                left_s = schedule.duration_s + (start_ns - time.monotonic_ns()) / 1e9
                self._loop.call_later(max(left_s, 0), self._close)
        elif isinstance(schedule, Waves):
            self._starter = WaveExecutor(
                stage, desk, waves=schedule, part=share, start_ns=start_ns, enough=enough
            )
        else:
            self._starter = ArrivalRateExecutor(
                stage, desk, schedule=schedule, part=share, start_ns=start_ns
            )

    def _cast(self, load: Load, share: tuple[int, int]) -> list[VirtualUser]:
        users = load.assign_users(*share)
        if load.connections != "shared":
            return [VirtualUser(user, self._stage) for user in users]
        pool = self._pool = ConnectionPool(load.most_connections(*share))
        return [PooledVirtualUser(user, self._stage, pool) for user in users]

    def run(self) -> EngineStats:
        """Run to the end, or to Ctrl-C."""
        cpu_s, began_ns = time.process_time(), time.monotonic_ns()
        interrupted, abandoned = False, 0
        self._loop.call_soon(self._begin)
        try:
            self._loop.run_forever()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            ended_ns = time.monotonic_ns()
            self._halted = self._stage.closing = True
            self._starter.stop()
            self._desk.drop_queued()
            if self._pool is not None:
                self._pool.close()
            for player in self._players:
                abandoned += player.abandon()
        if self._crash is not None:
            raise self._crash
        stage = self._stage
        return EngineStats(
            sent=stage.sent,
            journeys=stage.journeys,
            dropped=self._desk.dropped,
            waited=self._desk.waited,
            connections=stage.connections,
            reconnected=stage.reconnected,
            abandoned=abandoned,
            late_ms=Delay.of(self._desk.late.histogram),
            loop_lag_ms=Delay.of(self._lag.histogram),
            cpu_share=(time.process_time() - cpu_s) / max((ended_ns - began_ns) / 1e9, 1e-9),
            duration_s=(ended_ns - self._start_ns) / 1e9,
            interrupted=interrupted,
            waited_for_connection=self._pool.waited if self._pool is not None else 0,
        )

    def release(self, player: VirtualUser) -> None:
        """A player has finished its journey."""
        starter = self._starter
        starter.release(player)
        if starter.over:
            self._end_if_over()

    def _begin(self) -> None:
        self._starter.begin()
        self._beat_due_ns = time.monotonic_ns()
        self._beat()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._starter.over and not self._stage.busy:
            self._halt()

    def _halt(self) -> None:
        """End the run, once: a second stop would end the loop's tidying up instead."""
        if not self._halted:
            self._halted = True
            self._loop.stop()

    def _close(self) -> None:
        """Send no further request; those under way are awaited."""
        self._stage.closing = True
        self._starter.stop()
        self._desk.drop_queued()
        for player in self._players:
            if player.pausing:
                player.stop()
        self._end_if_over()

    def _beat(self) -> None:
        now_ns = time.monotonic_ns()
        self._lag.add(max(now_ns - self._beat_due_ns, 0))
        self._beats += 1
        if self._beats % _BEATS_A_SWEEP == 0:
            self._sweep(now_ns)
        if self._on_tick is not None and self._beats % _BEATS_A_TICK == 0:
            self._on_tick()
        self._beat_due_ns = time.monotonic_ns() + round(_BEAT_S * 1e9)
        self._loop.call_later(_BEAT_S, self._beat)

    def _sweep(self, now_ns: int) -> None:
        for player in self._players:
            if 0 < player.deadline_ns < now_ns:
                player.time_out()
        if self._stage.closing:
            return
        if self._starter.over:
            self._drained_ns = self._drained_ns or now_ns + self._stage.timeout_ns
        if self._stop() or 0 < self._drained_ns < now_ns:
            self._close()

    def _crashed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something was raised in a callback: ours must not hang the run."""
        error = context.get("exception")
        if isinstance(error, OSError) and ("transport" in context or "protocol" in context):
            return  # a connection's end, which its `connection_lost` brings as well
        self._crash = self._crash or error or RuntimeError(str(context.get("message")))
        self._halt()


def _never() -> bool:
    return False


@contextmanager
def _own_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop of uvloop's, where there is one, closed in the end."""
    try:
        import uvloop
    except ImportError:  # Windows
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    try:
        yield loop
    finally:
        # Aborted connections and cancelled tasks end on their own, if they get the time.
        while pending := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@contextmanager
def _few_pauses(phase: str) -> Iterator[None]:
    """A garbage collector that leaves what is old alone."""
    thresholds = gc.get_threshold()
    if phase == "main":  # it takes longer than a handful of log-ins
        gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
