"""One load over several processes, from the process that the user started."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from straingauge.cli.options import RunOptions
from straingauge.cli.screen import Screen
from straingauge.cli.worker_processes import WorkerProcesses
from straingauge.cpus import usable_cpus
from straingauge.errors import Interrupted
from straingauge.exports import ExportStream
from straingauge.runner import (
    MAX_TEAR_DOWN_S,
    DatabasePlans,
    ExplainPass,
    FollowUp,
    LoadSpec,
    MemoryPass,
    Outcome,
    ReceivedTraces,
    ServiceDatabase,
    conclude_run,
)
from straingauge.runner.abort_watch import AbortWatch
from straingauge.runner.control import control_endpoint
from straingauge.runner.live_run import LiveRun
from straingauge.runner.progress import Progress
from straingauge.target.service_locator import ServiceLocator
from straingauge.traces import SpanBuffer
from straingauge.workers import Coordinator, CoordinatorError, MergedReports
from straingauge.workers.standby import Standby

CONNECT_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.05
STOP_TIMEOUT_S = 5.0  # for processes that were stopped: requests in flight may end


def run_load(
    spec: LoadSpec,
    options: RunOptions,
    service: ServiceLocator,
    processes: int,
    screen: Screen,
    *,
    buffer: SpanBuffer | None = None,
    live: LiveRun,
    exports: ExportStream,
    standby: Standby,
) -> tuple[Outcome, bool]:
    """Run a load, and judge it; what was measured is kept however it ends.

    Args:
        spec: The load.
        options: The options from which each worker process makes the same specification.
        service: Locates the service.
        processes: Number of processes; those beyond the number of cores or users stay idle.
        screen: Where progress is shown.
        buffer: The spans that are received during the load.
        live: Gets the reports of the load.
        exports: Exports the load.
        standby: Gets the reports of the load.

    Returns:
        The outcome, and whether the user interrupted the load.

    Raises:
        Interrupted: Before the load started.
        CoordinatorError: No load was sent, for another reason.
    """
    active = min(processes, spec.max_processes, usable_cpus())
    progress, aborts = Progress(screen), AbortWatch(screen.warn)

    def with_idle(merged: MergedReports) -> MergedReports:
        return replace(merged, idle=merged.idle + processes - active)

    def watch(test: str, merged: MergedReports) -> bool:
        aborts.watch(test, merged, coordinator.end_load)
        live.watch(test, with_idle(merged))
        exports.watch(test, merged)
        standby.watch(with_idle(merged))
        return progress.watch(test, with_idle(merged))

    coordinator = Coordinator(
        service.find, watch, locate_started=service.started, before_load=service.begin_load
    )
    with (
        _closing(coordinator),
        control_endpoint(
            live,
            lambda: coordinator,
            options.control,
            screen.say,
            screen.announce,
            option="--control",
        ),
    ):
        names = [f"p{number}" for number in range(1, active + 1)]
        coordinator.expect(names)
        interrupted = False
        with WorkerProcesses(names, coordinator.connection_info, options) as workers:
            try:
                _wait_for_end(coordinator, workers, CONNECT_TIMEOUT_S + options.preparation_s)
            except KeyboardInterrupt:
                interrupted = True
                coordinator.abort("interrupted")
                tear_down_s = MAX_TEAR_DOWN_S if spec.tear_down is not None else 0.0
                with suppress(KeyboardInterrupt):  # a second one: do not wait
                    _wait_for_disconnects(coordinator, STOP_TIMEOUT_S + tear_down_s)
        _wait_for_disconnects(coordinator)
        merged = with_idle(coordinator.merged_reports(spec.test))
    standby.watch(merged)
    if merged.metadata is not None:
        database = ServiceDatabase.of(spec, service.started())
        follow_ups: list[FollowUp] = [] if buffer is None else [ReceivedTraces(buffer, merged)]
        exports.finish(spec.test, merged)
        if options.exports:
            exports.close()
            follow_ups.append(lambda _result: {"exports": exports.section()})
        if not interrupted:
            follow_ups += [DatabasePlans(database, screen.say)] if spec.plans else []
            follow_ups.append(ExplainPass(spec, service.started(), screen.say))
            follow_ups.append(MemoryPass(spec, service.started(), screen.say))
        return conclude_run(merged, spec.thresholds, follow_ups=follow_ups), interrupted
    if interrupted:
        raise Interrupted("interrupted before the load started: there is no result")
    raise CoordinatorError(f"no load was sent: {merged.abort_reason}")


@contextmanager
def _closing(coordinator: Coordinator) -> Iterator[Coordinator]:
    try:
        yield coordinator
    finally:
        coordinator.close()


def _wait_for_end(
    coordinator: Coordinator, workers: WorkerProcesses, connect_timeout_s: float
) -> None:
    """Wait until all processes have connected, and disconnected again."""
    give_up_s = time.monotonic() + connect_timeout_s
    while missing := coordinator.missing:
        for name in missing:
            if reason := workers.exit_reason(name):
                return coordinator.abort(f"process {name} ended before it could start ({reason})")
        if time.monotonic() > give_up_s:
            return coordinator.abort(
                f"process {missing[0]} did not connect within {connect_timeout_s:.0f} s"
            )
        time.sleep(POLL_INTERVAL_S)
    while coordinator.connected:
        time.sleep(POLL_INTERVAL_S)
    return None


def _wait_for_disconnects(coordinator: Coordinator, timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Wait until the coordinator knows that each process has ended, for a limited time."""
    give_up_s = time.monotonic() + timeout_s
    while coordinator.connected and time.monotonic() < give_up_s:
        time.sleep(POLL_INTERVAL_S)
