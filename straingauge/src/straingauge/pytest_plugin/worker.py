"""The plugin in processes that run tests: each xdist worker, or the only process."""

import json
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

from straingauge.errors import StraingaugeError
from straingauge.workers import CoordinatorClient, WorkerClient

if TYPE_CHECKING:
    from straingauge.pytest_plugin.load_test import LoadTest
    from straingauge.pytest_plugin.worker_context import WorkerContext

_LOAD_TEST = pytest.StashKey["LoadTest"]()


class WorkerPlugin:
    """Runs load tests after all others; with other workers, together with them.

    Args:
        config: pytest's.
        local: The coordinator of a single process; None in an xdist worker.
    """

    def __init__(self, config: pytest.Config, local: CoordinatorClient | None) -> None:
        self._config = config
        self._local = local
        self._client: WorkerClient | None = None
        self._context: WorkerContext | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put load tests last; name them to the coordinator before the collection is reported."""
        load_tests = [item for item in items if is_load_test(item)]
        if not load_tests:
            return
        from straingauge.pytest_plugin.worker_context import WorkerContext

        items[:] = [item for item in items if not is_load_test(item)] + load_tests
        if self._local is not None:
            self._context = WorkerContext(self._config, self._local, "main")
            return
        workerinput: dict[str, Any] = self._config.workerinput  # type: ignore[attr-defined]
        name = workerinput["workerid"]
        tests = tuple(item.nodeid for item in load_tests)
        self._client = WorkerClient(name, workerinput["straingauge"], tests)
        self._context = WorkerContext(self._config, self._client, name)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run a load test together with the other workers; exactly one of them reports it."""
        if self._client is None or not is_load_test(item):
            return None
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        error = next((str(report.longrepr) for report in reports if report.failed), None)
        if self._client.leave_test(item.nodeid, error):
            hook = item.ihook
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in reports:
                hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl
    def pytest_runtest_logfinish(self) -> None:
        """Tell the coordinator after each test that this process is alive."""
        if self._client is not None:
            self._client.send_heartbeat()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show our errors without a traceback, and attach the result file to the report."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, StraingaugeError):
            report.longrepr = format_error(call.excinfo.value)
        load = item.stash.get(_LOAD_TEST, None)
        if load is not None and report.when == "call":
            end = load.outcome
            vars(report)["straingauge_result"] = str(end.path) if end and end.path else ""
            if end is not None and end.problem is not None:
                unwritten = [json.dumps(end.result), str(end.problem)]
                vars(report)["straingauge_unwritten"] = unwritten
        return report

    @pytest.fixture
    def load(self, request: pytest.FixtureRequest) -> "LoadTest":
        """Put one load on the service; for tests marked `load`."""
        from straingauge.pytest_plugin.load_test import LoadTest

        item: pytest.Item = request.node
        if not is_load_test(item) or self._context is None:
            pytest.fail(f"{item.nodeid} uses `load`: mark it @pytest.mark.load", pytrace=False)
        load = item.stash[_LOAD_TEST] = LoadTest(item, self._context)
        return load

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Disconnect from the coordinator."""
        if self._client is not None:
            self._client.close()


def is_load_test(item: pytest.Item) -> bool:
    """Return whether a test is marked `load`."""
    return item.get_closest_marker("load") is not None


def format_error(error: StraingaugeError) -> str:
    """Format an error with its hint."""
    return f"{error}\n  try: {error.hint}" if error.hint else str(error)
