"""What is shown while a load runs: a line rewritten on a terminal, else a line at its start."""

import threading
from contextlib import AbstractContextManager, nullcontext

import pytest

from straingauge.fleet import Merged

HELD_PERCENTILES = (0.50, 0.95)
CLEAR_LINE = "\r\x1b[2K"


class Status:
    """Writes to the terminal, past pytest's capture, from whatever thread."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._begun: set[str] = set()
        self._open = False

    def watch(self, test: str, merged: Merged) -> bool:
        """Show how a load comes on; gives whether its figures hold, so that it may end."""
        from straingauge.record import Record
        from straingauge.summary import holds, metrics

        record = Record().merge(*(Record.from_bytes(report.record) for report in merged.reports))
        main = metrics(record)
        name = (merged.plan or {}).get("name", test)
        if test not in self._begun:
            self._begun.add(test)
            if not self._isatty:
                self.say(f"load {name}: {len(merged.reports)} process(es)")
        if self._isatty:
            self._rewrite(
                f"load {name}: {main['duration_s']:.0f} s, {main['total_requests']} requests, "
                f"{main['throughput_rps']:.0f}/s, {main['error_rate_percent']:.1f} % errors, "
                f"p95 {main['latency_ms']['p95'] or 0:.1f} ms"
            )
        enough = (merged.plan or {}).get("enough_requests")
        if enough is None or main["total_requests"] < enough:
            return False
        response = record.total("main").response
        return all(holds(response, quantile) for quantile in HELD_PERCENTILES)

    def say(self, line: str) -> None:
        """Write a line of its own."""
        self._rewrite("")
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            with self._lock, self._uncaptured():
                reporter.write_line(line)

    def clear(self) -> None:
        """Take the line away before pytest writes."""
        self._rewrite("")

    @property
    def _isatty(self) -> bool:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter is not None and bool(reporter.isatty)

    def _rewrite(self, line: str) -> None:
        if not line and not self._open:
            return
        with self._lock, self._uncaptured():
            writer = self._config.get_terminal_writer()
            writer.write(CLEAR_LINE + line[: writer.fullwidth - 1], flush=True)
            self._open = bool(line)

    def _uncaptured(self) -> AbstractContextManager[None]:
        """Where tests run in this process their output is captured: step aside for a moment."""
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        if capture is None or threading.current_thread() is not threading.main_thread():
            return nullcontext()
        uncaptured: AbstractContextManager[None] = capture.global_and_fixture_disabled()
        return uncaptured
