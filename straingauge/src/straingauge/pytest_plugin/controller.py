"""The plugin in the controlling process: coordinator, service, output.

With xdist that is the process the user started; without, it is the only one, which runs loads too.
"""

import json
import signal
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from straingauge.errors import StraingaugeError, TargetError
from straingauge.http.settings import HttpSettings
from straingauge.number_text import count
from straingauge.pytest_plugin.failures import describe, fail_report
from straingauge.pytest_plugin.options import http_settings_of, option, taken_options
from straingauge.pytest_plugin.scheduler import LoadScheduler, Scheduling, Worker
from straingauge.pytest_plugin.status import Status
from straingauge.target.service_locator import ServiceLocator
from straingauge.workers import Coordinator, LocalCoordinator, MergedReports
from straingauge.workers.standby import Standby

if TYPE_CHECKING:
    from straingauge.exports import ExportStream
    from straingauge.result.format.result import Result
    from straingauge.runner.abort_watch import AbortWatch
    from straingauge.runner.live_run import LiveRun


END_TIMEOUT_S = 5.0  # for loads that were interrupted: requests in flight may end
POLL_S = 0.05


class ControllerPlugin:
    """Coordinates the worker processes, starts and stops the service, shows results."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._status = Status(config)
        self._service = ServiceLocator(
            option(config, "--load-host"),
            self._status.say,
            option="--load-host",
            http=lambda: http_settings_of(config),
            restore=bool(option(config, "--load-restore-database")),
        )
        self.local = LocalCoordinator(
            self._service.find,
            self._watch,
            locate_started=self._service.started,
            before_load=self._service.begin_load,
            say=self._status.say,
        )
        self._coordinator: Coordinator | None = None
        self._aborts: AbortWatch | None = None
        self._live: LiveRun | None = None
        self._exports: ExportStream | None = None
        self._standby = Standby()
        self._has_watches = threading.Event()
        self._served = ExitStack()
        self._workers = 0
        self._failures = 0
        self._results: list[tuple[Result, Path | None]] = []
        self._problems: list[str] = []
        self._summary: Path | None = None
        self._page: Path | None = None
        config.add_cleanup(self._service.close)
        config.add_cleanup(self._standby.close)

    def _watch(self, test: str, merged: MergedReports) -> bool:
        self._standby.watch(merged)
        if self._coordinator is not None and not self._has_watches.is_set():
            return False  # reports reach `_standby` during an import of seconds on a busy machine
        if self._aborts is None:  # slow to import, and each pytest session loads this module
            from straingauge.runner.abort_watch import AbortWatch

            self._aborts = AbortWatch(self._status.say)
        self._aborts.watch(test, merged, (self._coordinator or self.local).end_load)
        if self._live is not None:
            self._live.watch(test, merged)
        if self._exports is not None:
            self._exports.watch(test, merged)
        return self._status.watch(test, merged)

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        """Handle SIGTERM and a closed terminal like Ctrl-C: write results, stop the service."""
        if threading.current_thread() is threading.main_thread():
            self._handle(signal.SIGTERM)
            if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # else it is under nohup
                self._handle(signal.SIGHUP)
        self._export(option(self._config, "--load-export"))
        self._serve(option(self._config, "--load-live"), option(self._config, "--load-control"))

    def _handle(self, number: signal.Signals) -> None:
        before = signal.signal(number, _interrupt)
        self._config.add_cleanup(partial(_restore, number, before))

    def _export(self, names: list[str] | None) -> None:
        """Export the loads, if names of files or URLs are given."""
        if not names:
            return
        from straingauge.exports import ExportStream, exporters_for

        try:
            without = option(self._config, "--load-no-traceparent")
            no_samples = "they need the header traceparent" if without else None
            exporters = exporters_for(names, option="--load-export", no_samples=no_samples)
        except StraingaugeError as error:
            raise pytest.UsageError(error.with_hint) from error
        self._exports = ExportStream(exporters, self._status.say)
        self._config.add_cleanup(self._served.close)
        self._served.enter_context(self._exports)

    def _serve(self, live: int | None, control: int | None) -> None:
        """Serve the live page and the control endpoint, if their ports are given."""
        if live is None and control is None:
            return
        from straingauge.runner.control import control_endpoint
        from straingauge.runner.live_page import live_page
        from straingauge.runner.live_run import LiveRun

        run, say, announce = LiveRun(), self._status.say, self._status.announce
        served = (
            live_page(run, live, say, option="--load-live"),
            control_endpoint(
                run,
                lambda: self._coordinator or self.local,
                control,
                say,
                announce,
                option="--load-control",
            ),
        )
        self._config.add_cleanup(self._served.close)
        self._live = run
        try:
            for each in served:
                self._served.enter_context(each)
        except TargetError as error:
            raise pytest.UsageError(error.with_hint) from error

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Worker) -> None:
        """Pass the coordinator's address to a worker; the first one creates the coordinator."""
        if self._coordinator is None:
            self._coordinator = Coordinator(
                self._find,
                self._watch,
                locate_started=self._service.started,
                before_load=self._service.begin_load,
                say=self._status.say,
            )
            self._config.add_cleanup(self._coordinator.close)
        node.workerinput["straingauge"] = self._coordinator.connection_info
        self._workers = node.workerinput["workercount"]

    def _find(self, test_file: Path, http: HttpSettings) -> str:
        """Locate the service for the first load, and meanwhile import what watches loads."""
        threading.Thread(target=self._import_watches, daemon=True).start()
        return self._service.find(test_file, http)

    def _import_watches(self) -> None:
        for name in ("abort_watch", "progress"):
            import_module(f"straingauge.runner.{name}")
        self._has_watches.set()

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_xdist_make_scheduler(self) -> Generator[None, Scheduling, LoadScheduler]:
        """Run load tests on all workers, if there are any."""
        stock = yield
        assert self._coordinator is not None
        return LoadScheduler(stock, self._coordinator, self._workers)

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Report a crash in a load test as a failure, also if a plugin would repeat the test."""
        if self._coordinator is not None and crashitem in self._coordinator.load_tests:
            report.outcome = "failed"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Clear the progress line before pytest writes."""
        self._status.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect result files; with -x, let no further load start."""
        self._status.clear()
        try:
            self._collect(report)
        except Exception as error:  # noqa: BLE001  the session goes on, and the test has failed
            fail_report(report, describe(error))
        self._failures += report.failed
        most = self._config.getoption("maxfail")
        if self._coordinator is not None and most and self._failures >= most:
            self._coordinator.abort(f"the session ends after {count(self._failures, 'failure')}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the results of loads that did not reach their end."""
        self._status.clear()
        ended = (
            "interrupted"
            if exitstatus == pytest.ExitCode.INTERRUPTED
            else "the test ended before it was judged"
        )
        if exitstatus == pytest.ExitCode.INTERRUPTED and self._coordinator is not None:
            _end_loads(self._coordinator)
        try:
            for test, merged in (self._coordinator or self.local).unsaved():
                if self._exports is not None:
                    self._exports.finish(test, merged)
                self._salvage(merged, ended)
            self._standby.discard()
            self._summarize()
        except Exception as error:  # noqa: BLE001  the outcomes of the tests are still shown
            self._problems.append(describe(error))
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the verdicts."""
        if not self._results and not self._problems:
            return
        terminalreporter.section("load tests")
        try:
            self._show(terminalreporter)
        except Exception as error:  # noqa: BLE001  the outcomes of the tests are still shown
            self._problems.append(describe(error))
        for line in self._problems:
            terminalreporter.write_line(line)

    def _show(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._results:
            return
        from straingauge.report import verdict_table, write_github

        writer = self._config.get_terminal_writer()
        colour, wrap = bool(writer.hasmarkup), bool(terminalreporter.isatty)
        shown = verdict_table(self._results, width=writer.fullwidth, colour=colour, wrap=wrap)
        terminalreporter.write(self._status.encodable(shown))
        if self._summary is not None:
            terminalreporter.write_line(f"summary  {self._summary}")
        if self._page is not None:
            terminalreporter.write_line(f"report   {self._page}")
        for name in taken_options(self._config):
            line = f"{name} belongs to a conftest.py or another plugin here; straingauge ignores it"
            terminalreporter.write_line(line)
        for line in write_github([result for result, _ in self._results]):
            terminalreporter.write_line(line)

    def _collect(self, report: pytest.TestReport) -> None:
        """Collect the result of a load test from its report."""
        path = getattr(report, "straingauge_result", None)
        if path and self._exports is not None:
            test = report.nodeid
            merged = (self._coordinator or self.local).merged_reports(test)
            self._exports.finish(test, merged)
        if path:
            from straingauge.result.format import read

            self._results.append((read(Path(path)), Path(path)))
            if self._live is not None:
                self._live.finish(*self._results[-1])
            self._standby.discard()
        unwritten = getattr(report, "straingauge_unwritten", None)
        if unwritten is not None:
            result, problem = unwritten
            self._results.append((json.loads(result), None))
            self._problems.append(problem)

    def _salvage(self, merged: MergedReports, ended: str) -> None:
        from straingauge.runner import conclude_run
        from straingauge.verdict import Thresholds

        metadata = merged.metadata
        assert metadata is not None
        end = conclude_run(merged, Thresholds.read(metadata.thresholds_file), ended=ended)
        if end.problem is not None:
            self._problems.append(str(end.problem))
        self._results.append((end.result, end.path))

    def _summarize(self) -> None:
        """Write the session's report next to the first result, and a summary of several results."""
        folder = next((path.parent for _, path in self._results if path is not None), None)
        if folder is None:
            return
        from straingauge.report.page import write_page
        from straingauge.result.assembly import write_session
        from straingauge.result.format import WriteError

        try:
            if len(self._results) > 1:
                self._summary = write_session(self._results, folder)
            self._page = write_page([result for result, _ in self._results], folder)
        except WriteError as error:
            self._problems.append(str(error))


def _end_loads(coordinator: Coordinator) -> None:
    """End the loads of workers that did not get the signal; wait for their last reports."""
    coordinator.abort("interrupted")
    give_up_s = time.monotonic() + END_TIMEOUT_S
    while coordinator.is_sending and time.monotonic() < give_up_s:
        time.sleep(POLL_S)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _restore(number: signal.Signals, before: Any) -> None:  # noqa: ANN401  as signal.signal gave it
    signal.signal(number, before)
