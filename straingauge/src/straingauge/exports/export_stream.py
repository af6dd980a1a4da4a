"""Exports of the loads of this process, in a separate thread."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Self, TypeAlias

from straingauge.exports.exporter import Exporter
from straingauge.exports.second_counter import SecondCounter
from straingauge.redaction import redact
from straingauge.result.format.result import Export
from straingauge.workers import MergedReports

INTERVAL_S: Final = 1.0
MAX_CPU_SHARE: Final = 0.03  # of the time: it runs on the machine that sends

_Load: TypeAlias = tuple[str, int | None]  # its test and start, as a test may be repeated


class ExportStream:
    """Exports each second of loads; a failure ends one export, and never a run.

    Reports have everything so far, so only the latest one of each load is kept: an export that is
    slow gets longer seconds, and never a queue.

    Args:
        exporters: By name.
        say: Called with a line that stays on the terminal.
        counter: Makes the counter of a load.
    """

    def __init__(
        self,
        exporters: Mapping[str, Exporter],
        say: Callable[[str], None],
        counter: Callable[[], SecondCounter] = SecondCounter,
    ) -> None:
        self._exporters = dict(exporters)
        self._say = say
        self._counter = counter
        self._counters: dict[_Load, SecondCounter] = {}
        self._latest: dict[_Load, MergedReports] = {}
        self._seconds = dict.fromkeys(exporters, 0)
        self._failures: dict[str, str] = {}
        self._lock = threading.Lock()  # of the counters and exporters
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="straingauge-export", daemon=True)

    def __enter__(self) -> Self:
        if self._exporters:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Export what is left, and close all exports."""
        if self._thread.is_alive():
            self._ended.set()
            self._thread.join()
        self.close()

    def watch(self, test: str, merged: MergedReports) -> None:
        """Keep the latest reports of a load; costs next to nothing."""
        if self._exporters:
            self._latest[test, merged.start_ns] = merged

    def export(self) -> None:
        """Export what the latest reports add."""
        with self._lock:
            for load in list(self._latest):
                self._count(load, self._latest.pop(load))

    def finish(self, test: str, merged: MergedReports) -> None:
        """Export what the last reports of a load add; a repeated one begins at 0."""
        with self._lock:
            load = test, merged.start_ns
            self._latest.pop(load, None)
            self._count(load, merged)
            self._counters.pop(load, None)

    def close(self) -> None:
        """Export what is left, and close all exports."""
        self.export()
        with self._lock:
            for name, exporter in self._exporters.items():
                self._try(name, exporter.close)
            self._exporters.clear()

    def section(self) -> list[Export]:
        """Return the section `exports` of a result: each export, and why it ended early."""
        with self._lock:
            return [
                {"to": redact(name), "seconds": count, "failure": self._failures.get(name)}
                for name, count in self._seconds.items()
            ]

    def _count(self, load: "_Load", merged: MergedReports) -> None:
        second = self._counters.setdefault(load, self._counter()).count(merged)
        if second is None:
            return
        for name, exporter in list(self._exporters.items()):
            if name not in self._failures and self._try(name, partial(exporter.add, second)):
                self._seconds[name] += 1

    def _try(self, name: str, call: Callable[[], None]) -> bool:
        """Call an exporter; keep and show the first failure of each."""
        try:
            call()
        except Exception as error:  # noqa: BLE001  the run goes on without this export
            if name not in self._failures:
                self._failures[name] = redact(f"{type(error).__name__}: {error}")
                self._say(f"export {redact(name)} ended: {self._failures[name]}")
            return False
        return True

    def _run(self) -> None:
        wait_s = INTERVAL_S
        while not self._ended.wait(wait_s):
            began_s = time.thread_time()
            self.export()
            wait_s = max(INTERVAL_S, (time.thread_time() - began_s) / MAX_CPU_SHARE)
