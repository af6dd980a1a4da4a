"""Exports of Locust's runs while they go on: `--load-export`."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from straingauge.exports import ExportStream, exporters_for
from straingauge.exports.export_stream import INTERVAL_S
from straingauge.locust.result_builder import RunSnapshot
from straingauge.result.format.result import Export
from straingauge.workers import Arrivals, MergedReports

MAX_SHARE: Final = 0.03  # of the time: packing measurements delays the users of this process
OPTION: Final = "--load-export"
NO_SAMPLES: Final = "only straingauge run and pytest have them, not Locust"

logger = logging.getLogger(__name__)


class RunExports:
    """Exports the runs of this process, in a thread: Locust's users go on meanwhile.

    Args:
        names: Files and URLs.

    Attributes:
        is_needed: There are any, which are not closed.

    Raises:
        UsageError: See `exporters_for`.
    """

    def __init__(self, names: list[str]) -> None:
        self._stream = ExportStream(
            exporters_for(names, option=OPTION, no_samples=NO_SAMPLES), logger.warning
        )
        # Only one, as a connection of gevent belongs to the thread that opened it.
        self._thread = ThreadPool(1)
        self.is_needed = bool(names)
        self._ended = Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(
        self,
        take_snapshot: Callable[[], RunSnapshot],
        merge: Callable[[RunSnapshot], MergedReports],
        count_users: Callable[[], int],
    ) -> None:
        """Begin with a run.

        Args:
            take_snapshot: Returns everything known about the run.
            merge: Returns the reports in it.
            count_users: Returns the number of users.
        """
        self.stop()
        self._ended.clear()
        self._greenlet = gevent.spawn(self._run, take_snapshot, merge, count_users)

    def stop(self) -> None:
        """End with the run; wait for an export that has begun."""
        self._ended.set()
        if self._greenlet is not None:
            self._greenlet.join()
        self._greenlet = None

    def finish(self, snapshot: RunSnapshot, merged: MergedReports) -> list[Export]:
        """Export what a run that has ended adds; return the section `exports` of its result."""
        self.stop()
        reports = _by_start(snapshot, merged, 0)
        self._thread.apply(self._stream.finish, (_name(reports), reports))
        return self._stream.section()

    def close(self) -> None:
        """Close all exports, once."""
        self.stop()
        if self.is_needed:
            self.is_needed = False
            self._thread.apply(self._stream.close)

    def _run(
        self,
        take_snapshot: Callable[[], RunSnapshot],
        merge: Callable[[RunSnapshot], MergedReports],
        count_users: Callable[[], int],
    ) -> None:
        pause_s = INTERVAL_S
        while not self._ended.wait(pause_s):
            snapshot = take_snapshot()
            cost_s = self._thread.apply(self._export, (snapshot, merge, count_users()))
            pause_s = max(INTERVAL_S, cost_s / MAX_SHARE)

    def _export(
        self, snapshot: RunSnapshot, merge: Callable[[RunSnapshot], MergedReports], users: int
    ) -> float:
        """Export what a snapshot adds, in the thread; return the CPU time that it took."""
        began_s = time.thread_time()
        reports = _by_start(snapshot, merge(snapshot), users)
        self._stream.watch(_name(reports), reports)
        self._stream.export()
        return time.thread_time() - began_s


def _name(merged: MergedReports) -> str:
    """Return the name of a run."""
    return merged.metadata.name if merged.metadata is not None else ""


def _by_start(snapshot: RunSnapshot, merged: MergedReports, users: int) -> MergedReports:
    """Name processes after the start of their measurements, which Locust may reset, and add users.

    What a process has measured after a reset is new, not less than before.
    """
    named = [
        replace(each, process=f"{each.process} {snapshot.reports[each.process]['started_ns']}")
        for each in merged.reports
    ]
    named[0] = replace(named[0], arrivals=Arrivals(busy=users))
    return replace(merged, reports=tuple(named))
