"""The plugin where the session is controlled: the rendezvous, the service's address, what is shown.

With xdist that is the process the user started; without, it is the only one and plays as well.
"""

import json
import signal
import threading
from collections.abc import Generator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from straingauge.pytest_plugin.scheduler import LoadScheduler, Scheduling, Worker
from straingauge.pytest_plugin.status import Status
from straingauge.target.service_locator import ServiceLocator
from straingauge.workers import Coordinator, LocalCoordinator, MergedReports

if TYPE_CHECKING:
    from straingauge.result.format.result import Result


class ControllerPlugin:
    """Brings the processes together, starts and stops the service, shows what was found."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._status = Status(config)
        self._address = ServiceLocator(
            config.getoption("--load-host"), self._status.say, option="--load-host"
        )
        self.solo = LocalCoordinator(
            self._address.find, self._status.watch, find_database=self._address.database
        )
        self._rendezvous: Coordinator | None = None
        self._workers = 0
        self._failures = 0
        self._shown: list[tuple[Result, Path | None]] = []
        self._problems: list[str] = []
        self._summary: Path | None = None
        self._page: Path | None = None
        config.add_cleanup(self._address.close)

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        """End on SIGTERM as on Ctrl-C: with a result file, and with the stand stopped."""
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, _interrupt)
            self._config.add_cleanup(partial(_restore, before))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Worker) -> None:
        """Invite a worker to the rendezvous, which opens with the first."""
        if self._rendezvous is None:
            self._rendezvous = Coordinator(
                self._address.find, self._status.watch, find_database=self._address.database
            )
            self._config.add_cleanup(self._rendezvous.close)
        node.workerinput["straingauge"] = self._rendezvous.invitation
        self._workers = node.workerinput["workercount"]

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_xdist_make_scheduler(self) -> Generator[None, Scheduling, LoadScheduler]:
        """Share load tests out to all workers, should there be any."""
        stock = yield
        assert self._rendezvous is not None
        return LoadScheduler(stock, self._rendezvous, self._workers)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Make room for what pytest writes now."""
        self._status.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember result files; with -x, let no further load begin."""
        self._status.clear()
        path = getattr(report, "straingauge_result", None)
        if path:
            from straingauge.result.format import read

            self._shown.append((read(Path(path)), Path(path)))
        unwritten = getattr(report, "straingauge_unwritten", None)
        if unwritten is not None:
            result, problem = unwritten
            self._shown.append((json.loads(result), None))
            self._problems.append(problem)
        self._failures += report.failed
        most = self._config.getoption("maxfail")
        if self._rendezvous is not None and most and self._failures >= most:
            self._rendezvous.stop(f"the session ends after {self._failures} failure(s)")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write what was measured of loads that did not come to their end."""
        self._status.clear()
        source = self._rendezvous or self.solo
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        ended = "interrupted" if interrupted else "the test ended before it was judged"
        for _, merged in source.unjudged():
            self._salvage(merged, ended)
        self._summarize()

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the verdicts."""
        if not self._shown:
            return
        from straingauge.report import verdict_table, write_github

        terminalreporter.section("load tests")
        writer = self._config.get_terminal_writer()
        colour = bool(writer.hasmarkup)
        terminalreporter.write(verdict_table(self._shown, width=writer.fullwidth, colour=colour))
        if self._summary is not None:
            terminalreporter.write_line(f"summary  {self._summary}")
        if self._page is not None:
            terminalreporter.write_line(f"report   {self._page}")
        for line in (*self._problems, *write_github([result for result, _ in self._shown])):
            terminalreporter.write_line(line)

    def _salvage(self, merged: MergedReports, ended: str) -> None:
        from straingauge.runner import outcome

        end = outcome.conclude_run(merged, ended=ended)
        if end.problem is not None:
            self._problems.append(str(end.problem))
        self._shown.append((end.result, end.path))

    def _summarize(self) -> None:
        """Write the session's page beside the first result; of several results one file, too."""
        folder = next((path.parent for _, path in self._shown if path is not None), None)
        if folder is None:
            return
        from straingauge.report.page import write_page
        from straingauge.result.assembly import write_session
        from straingauge.result.format import WriteError

        try:
            if len(self._shown) > 1:
                self._summary = write_session(self._shown, folder)
            self._page = write_page([result for result, _ in self._shown], folder)
        except WriteError as error:
            self._problems.append(str(error))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _restore(before: Any) -> None:  # noqa: ANN401  a handler, as signal.signal gave it
    signal.signal(signal.SIGTERM, before)
