"""One load over many processes, from the process that the user started."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from straingauge.cli.options import Prepared
from straingauge.cli.worker_processes import WorkerProcesses
from straingauge.errors import Interrupted
from straingauge.progress import Progress, Screen
from straingauge.runner import outcome
from straingauge.target.service_locator import ServiceLocator
from straingauge.workers import Coordinator, CoordinatorError, MergedReports

COME_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
LAST_WORDS_S = 5.0  # for processes that were told to stop: what is under way may end


def play(
    prepared: Prepared, address: ServiceLocator, processes: int, screen: Screen
) -> tuple[outcome.Outcome, bool]:
    """Play it, and judge it; what was measured is kept however it ends.

    Args:
        prepared: What is played.
        address: Where to.
        processes: How many the user wants; more than cores or users would take no share.
        screen: Where its progress is shown.

    Returns:
        The load as it was judged, and whether the user ended it.

    Raises:
        Interrupted: Before there was anything to judge.
        FleetError: The same, for another reason.
    """
    order = prepared.order
    active = min(processes, order.at_most, os.cpu_count() or 1)
    progress = Progress(screen)

    def known(merged: MergedReports) -> MergedReports:
        return replace(merged, idle=merged.idle + processes - active)

    def watch(test: str, merged: MergedReports) -> bool:
        return progress.watch(test, known(merged))

    with _rendezvous(
        Coordinator(address.find, watch, find_database=address.database)
    ) as rendezvous:
        names = [f"p{number}" for number in range(1, active + 1)]
        rendezvous.expect(names)
        interrupted = False
        with WorkerProcesses(names, rendezvous.invitation, prepared.settings) as workers:
            try:
                _until_over(rendezvous, workers)
            except KeyboardInterrupt:
                interrupted = True
                rendezvous.stop("interrupted")
                with suppress(KeyboardInterrupt):  # a second one: do not wait
                    _until_gone(rendezvous)
        _until_gone(rendezvous)
        merged = known(rendezvous.known(order.test))
    if merged.plan is not None:
        return outcome.conclude_run(merged), interrupted
    if interrupted:
        raise Interrupted("interrupted before the load began: there is nothing to show")
    raise CoordinatorError(f"no load was sent: {merged.broken}")


@contextmanager
def _rendezvous(rendezvous: Coordinator) -> Iterator[Coordinator]:
    try:
        yield rendezvous
    finally:
        rendezvous.close()


def _until_over(rendezvous: Coordinator, workers: WorkerProcesses) -> None:
    """Wait for all processes to come, and to go again."""
    give_up_s = time.monotonic() + COME_WITHIN_S
    while missing := rendezvous.missing:
        for name in missing:
            if end := workers.end_of(name):
                return rendezvous.stop(f"process {name} ended before it could begin ({end})")
        if time.monotonic() > give_up_s:
            return rendezvous.stop(f"process {missing[0]} has not come for {COME_WITHIN_S:.0f} s")
        time.sleep(LOOK_EVERY_S)
    while rendezvous.connected:
        time.sleep(LOOK_EVERY_S)
    return None


def _until_gone(rendezvous: Coordinator) -> None:
    """Wait until the rendezvous knows of the end of each process, but not for ever."""
    give_up_s = time.monotonic() + LAST_WORDS_S
    while rendezvous.connected and time.monotonic() < give_up_s:
        time.sleep(LOOK_EVERY_S)
