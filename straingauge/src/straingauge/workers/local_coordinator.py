"""The coordinator of a process that runs its loads alone."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from straingauge.http.settings import HttpSettings
from straingauge.target.started_service import StartedService
from straingauge.workers.coordinator import Watcher
from straingauge.workers.messages import Shard
from straingauge.workers.reports import Ending, MergedReports, Report, RunMetadata

if TYPE_CHECKING:
    from straingauge.engine import Pace

START_DELAY_NS = 200_000_000  # time to set up the engine before the first request is due
_DEFAULTS: Final = HttpSettings()


@dataclass(slots=True)
class LocalCoordinator:
    """A `CoordinatorClient` without other processes; keeps reports as a `Coordinator` does.

    Attributes:
        locate: Returns the service's base URL, and starts the service if necessary; given the file
            of the test, and settings of connections of its load.
        watcher: See `Watcher`.
        locate_started: Returns the service if it was started here.
        before_load: Called before each load; returns whether the database was restored.
        say: Shows a line on the terminal.
        stop_at_ns: When to end the load early (`time.monotonic_ns`); None to run it to its end.
        is_aborted: The running load was aborted.
        is_ended: The running load ends now, before its schedule does.
        pace: The pace that the user has set for the running load; None if none was set.
    """

    locate: Callable[[Path, HttpSettings], str]
    watcher: Watcher
    locate_started: Callable[[], StartedService | None] = lambda: None
    say: Callable[[str], None] = lambda _line: None
    before_load: Callable[[], bool] = lambda: False
    stop_at_ns: int | None = None
    is_aborted: bool = False
    is_ended: bool = False
    pace: "Pace | None" = None
    _test: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)  # of changes by the user
    _unsaved: dict[str, MergedReports] = field(default_factory=dict)
    _latest: dict[str, MergedReports] = field(default_factory=dict)  # of one load, also if saved

    def unsaved(self) -> list[tuple[str, MergedReports]]:
        """Return the loads whose results were not saved, as (test, reports)."""
        return list(self._unsaved.items())

    @property
    def started(self) -> StartedService | None:
        """The service, if it was started here."""
        return self.locate_started()

    def merged_reports(self, test: str) -> MergedReports:
        """Return the reports of the last load so far, which was this test's.

        Raises:
            KeyError: Another load was the last.
        """
        return self._latest[test]

    def find_target(self, test_file: Path, http: HttpSettings = _DEFAULTS) -> str:
        """Return the service's base URL."""
        return self.locate(test_file, http)

    def join(self, test: str, max_processes: int) -> Shard:  # noqa: ARG002  one is never too many
        """Begin a load."""
        self._test, self.stop_at_ns, self.is_ended = test, None, False
        self.pace = None
        return Shard(0, 1, is_restored=self.before_load())

    def send_metadata(self, metadata: RunMetadata) -> None:
        """Keep the metadata."""
        self._unsaved[self._test] = MergedReports((), metadata=metadata)

    def wait_for_start(self, report: Report) -> int:
        """Return the start instant."""
        start_ns = time.monotonic_ns() + START_DELAY_NS
        self._update(reports=(report,), start_ns=start_ns)
        return start_ns

    def fail(self, error: str, hint: str | None) -> None:
        """Keep the reason why no load was sent, and what to do."""
        self._update(abort_reason=error, abort_hint=hint)

    def send_report(self, report: Report) -> None:
        """Keep and show a report."""
        merged = self._update(reports=(report,))
        if self.watcher(self._test, merged) and self.stop_at_ns is None:
            self.stop_at_ns = time.monotonic_ns()

    def end_load(self, test: str, ending: Ending) -> bool:
        """End the running load now, so that it is judged; return whether it does."""
        merged = self._unsaved.get(test)
        if merged is None or merged.start_ns is None or merged.load_end_ns or self.is_ended:
            return False
        self._update(ending=ending)
        self.is_ended = True
        return True

    def set_pace(self, test: str, pace: "Pace", change: str) -> bool:
        """Change the running load, with a note for its result; return whether one is running."""
        merged = self._unsaved.get(test)
        if merged is None or merged.start_ns is None or merged.load_end_ns or self.is_ended:
            return False
        with self._lock:
            self._update(changes=(*self._unsaved[test].changes, change))
        self.pace = pace
        return True

    def wait_for_load_end(self, report: Report) -> None:
        """Keep the report."""
        self._update(reports=(report,), load_end_ns=time.monotonic_ns())

    def wait_for_cooldown_end(self, report: Report) -> None:
        """Keep the report."""
        self._update(reports=(report,))

    def finish(self, report: Report) -> MergedReports:
        """Return all reports."""
        return self._update(reports=(report,))

    def mark_saved(self) -> None:
        """Forget the load, whose result was saved."""
        self._unsaved.pop(self._test, None)

    def _update(self, **changes: Any) -> MergedReports:  # noqa: ANN401  fields of MergedReports
        with self._lock:
            merged = self._unsaved[self._test] = replace(self._unsaved[self._test], **changes)
            self._latest = {self._test: merged}
        return merged
