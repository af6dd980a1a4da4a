"""The run in progress in this process, or the last one, for its live page and its control."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from straingauge.number_text import number
from straingauge.result.assembly import compose, conclude
from straingauge.result.format.result import Result
from straingauge.verdict import Thresholds
from straingauge.workers import MergedReports

LIVE_SHARE: Final = 0.05  # of the time: it runs on the machine that sends
RATE_WINDOW_S: Final = 5.0
LOGGING_IN, RUNNING, COOLDOWN, FINISHED = "logging in", "running", "cooldown", "finished"


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended.

    Attributes:
        result: Its result, with the verdict.
        path: The result file; None if it could not be written.
    """

    result: Result
    path: Path | None


class LiveRun:
    """The latest reports of a load; a result is made of them only when someone asks for it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._test = ""
        self._merged: MergedReports | None = None
        self._counts: deque[tuple[int, int, int]] = deque()  # (instant in ns, due, requests)
        self._thresholds: dict[Path | None, Thresholds] = {}
        self._live: Result | None = None
        self._next_live_s = 0.0
        self.finished_run: Finished | None = None

    @property
    def test(self) -> str:
        """Node id of the test of the load."""
        return self._test

    @property
    def load_id(self) -> str:
        """Different for each load."""
        return f"{self._test} {self._merged.start_ns if self._merged else None}"

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start of the load; 0 before it."""
        start_ns = self._merged.start_ns if self._merged else None
        return 0.0 if start_ns is None else max(time.monotonic_ns() - start_ns, 0) / 1e9

    @property
    def merged(self) -> MergedReports | None:
        """The latest reports."""
        return self._merged

    def watch(self, test: str, merged: MergedReports) -> None:
        """Keep the latest reports of a load; costs next to nothing."""
        with self._lock:
            begins_again = self.finished_run is not None and merged.load_end_ns is None
            if test != self._test or begins_again:
                self._test, self.finished_run, self._live = test, None, None
                self._counts.clear()
                self._next_live_s = 0.0
            self._merged = merged
            if merged.start_ns is not None and merged.load_end_ns is None:
                self._count(merged)

    def finish(self, result: Result, path: Path | None) -> None:
        """Keep the result of the load, which has ended."""
        with self._lock:
            self.finished_run = Finished(result, path)

    def live_result(self) -> Result | None:
        """Return the result of the load in progress, or of the one that has ended."""
        with self._lock:
            if self.finished_run is not None:
                return self.finished_run.result
            merged, began_s = self._merged, time.monotonic()
            if merged is None or merged.metadata is None or not merged.reports:
                return None
            if began_s >= self._next_live_s:
                composed = compose(merged, so_far=True)
                self._live, _ = conclude(composed, self._thresholds_of(merged))
                self._next_live_s = began_s + (time.monotonic() - began_s) / LIVE_SHARE
            return self._live

    def state(self) -> tuple[str, int]:
        """Return the state in a word, and the number of users that run a journey."""
        with self._lock:
            merged = self._merged
            if self.finished_run is not None:
                return FINISHED, 0
            if merged is None or merged.start_ns is None:
                return LOGGING_IN, 0
            busy = sum(report.arrivals.busy for report in merged.reports)
            return (RUNNING, busy) if merged.load_end_ns is None else (COOLDOWN, busy)

    def progress(self) -> Mapping[str, Any]:
        """Return phase, times and rates as the page shows them."""
        with self._lock:
            merged = self._merged
            state, busy = self.state()
            duration_s = merged.metadata.duration_s if merged and merged.metadata else None
            start_ns = merged.start_ns if merged else None
            end_ns = merged.load_end_ns if merged else None
            elapsed_s = 0.0
            if start_ns is not None:
                elapsed_s = max((end_ns or time.monotonic_ns()) - start_ns, 0) / 1e9
            facts = [("busy users", f"{busy:,}")] if state == RUNNING else []
            if state == RUNNING and (rates := self._rates()):
                facts += [("offered", f"{number(rates[0])}/s")] if self._is_open() else []
                facts.append(("achieved", f"{number(rates[1])} requests/s"))
            return {
                "phase": state,
                "elapsed_s": round(elapsed_s),
                "duration_s": duration_s,
                "facts": facts,
            }

    def _is_open(self) -> bool:
        """Return whether arrivals have a schedule, whatever the service does."""
        metadata = self._merged.metadata if self._merged else None
        schedule = metadata.configuration.get("schedule") if metadata else None
        return schedule is not None and "users" not in schedule["kind"]

    def _count(self, merged: MergedReports) -> None:
        at_ns = max((report.at_ns for report in merged.reports), default=0)
        due = sum(report.arrivals.due for report in merged.reports)
        self._counts.append((at_ns, due, sum(report.requests for report in merged.reports)))
        while len(self._counts) > 2 and at_ns - self._counts[0][0] > RATE_WINDOW_S * 1e9:
            self._counts.popleft()

    def _rates(self) -> tuple[float, float] | None:
        """Return arrivals and requests per second of the last few seconds; None at the start."""
        if len(self._counts) < 2:
            return None
        (first_ns, due0, requests0), (last_ns, due, requests) = self._counts[0], self._counts[-1]
        passed_s = (last_ns - first_ns) / 1e9
        if passed_s <= 0:
            return None
        return (due - due0) / passed_s, (requests - requests0) / passed_s

    def _thresholds_of(self, merged: MergedReports) -> Thresholds:
        file = merged.metadata.thresholds_file if merged.metadata else None
        if file not in self._thresholds:
            self._thresholds[file] = Thresholds.read(file)
        return self._thresholds[file]
