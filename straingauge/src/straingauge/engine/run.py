"""One run of the engine."""

import time
from collections.abc import Callable
from importlib import import_module

from straingauge.engine.engine import Engine
from straingauge.engine.event_loop import new_event_loop, rare_gc
from straingauge.engine.load import EngineStats, Load, OutcomeSink
from straingauge.engine.pace import PaceControl
from straingauge.engine.phases import require_detectable, scenario_phase, sinks_by_start
from straingauge.engine.rlimit import raise_fd_limit
from straingauge.engine.route import Route, Routes
from straingauge.engine.run_context import RunContext
from straingauge.errors import UsageError
from straingauge.http.address import resolve
from straingauge.http.traceparent import TraceIds


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
    stop_early: Callable[[], bool] | None = None,
    abandon: Callable[[], bool] | None = None,
    on_tick: Callable[[], None] | None = None,
    on_arrivals: Callable[[int, int, int], None] | None = None,
    trace_ids: TraceIds | None = None,
    pace: PaceControl | None = None,
) -> EngineStats:
    """Run a load, or one process's share of it, to the end.

    After the last arrival, journeys have `load.timeout_s` to end; then no further request is sent
    and those in flight are awaited. Of constant users with a duration, that happens at its end.

    Args:
        load: the load.
        recorder: receives the outcomes.
        phase: the phase they count in.
        start_ns: start instant of `time.monotonic_ns`, the same for all processes; now if None.
        share: (i, n): run the i-th of n shares.
        warmup_s: journeys that start earlier than this count in the phase "warmup".
        detect_warmup: record in segments, in which `statistics.split_warmup` detects the warm-up.
        stop: called 20 times a second; once it returns true, no further request is sent.
        stop_early: called between waves after the least number of them; true ends the run.
        abandon: called 20 times a second once no further request is sent; true ends the run without
            those in flight.
        on_arrivals: called before `on_tick` with the journeys that were started, the arrivals that
            were due, and the number of busy users.
        on_tick: called twice a second in the engine's thread; it must be quick.
        trace_ids: ids of the requests' traces; None to send no header `traceparent`.
        pace: changes the load while it runs, in the thread of the engine; see `Pace`.

    Raises:
        UsageError: the target is not this machine and not allowed, its URL is invalid, this process
            may not open as many connections, or a warm-up is to be detected where the load itself
            changes.
        TargetError: its name does not resolve.
    """
    if not 0 <= share[0] < share[1]:
        raise UsageError(f"share {share[0]} of {share[1]} does not exist")
    if detect_warmup:
        require_detectable(load.schedule, warmup_s)
    address = resolve(load.base_url, load.allowed_hosts, load.http)
    if load.http.http2 is not None:
        for name in ("negotiation", "http2_pool"):  # or else the first requests would wait for it
            import_module(f"straingauge.engine.{name}")
    # A collection takes longer than a handful of log-ins.
    with (
        raise_fd_limit(load.most_connections(*share)),
        new_event_loop() as loop,
        rare_gc(collect=phase == "main"),
    ):
        start_ns = time.monotonic_ns() if start_ns is None else start_ns
        context = RunContext(
            loop=loop,
            routes=Routes(Route.to(address, load.tls), load.http, load.allowed_hosts),
            timeout_s=load.timeout_s,
            keep_connections=load.connections != "per-journey",
            trace_ids=trace_ids,
            pace=pace,
        )
        engine = Engine(
            context,
            load,
            share=share,
            start_ns=start_ns,
            sinks_at=lambda name: sinks_by_start(
                recorder,
                scenario_phase(phase, name),
                start_ns,
                warmup_s=warmup_s,
                detect=detect_warmup,
            ),
            should_stop=stop or _never,
            stop_early=stop_early or _never,
            abandon=abandon or _never,
            on_tick=on_tick,
            on_arrivals=on_arrivals,
        )
        return engine.run()


def _never() -> bool:
    return False
