"""The plugin where tests are run: each xdist worker, or the only process there is."""

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

_LOAD = pytest.StashKey["LoadTest"]()


class WorkerPlugin:
    """Runs load tests after all others; with other workers, together with them.

    Args:
        config: pytest's.
        alone: The fleet of a process that is alone; None in an xdist worker.
    """

    def __init__(self, config: pytest.Config, alone: CoordinatorClient | None) -> None:
        self._config = config
        self._alone = alone
        self._member: WorkerClient | None = None
        self._process: WorkerContext | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put load tests last; tell the controller of them before it hears what was collected."""
        load_tests = [item for item in items if is_load_test(item)]
        if not load_tests:
            return
        from straingauge.pytest_plugin.worker_context import WorkerContext

        items[:] = [item for item in items if not is_load_test(item)] + load_tests
        if self._alone is not None:
            self._process = WorkerContext(self._config, self._alone, "main")
            return
        given: dict[str, Any] = self._config.workerinput  # type: ignore[attr-defined]
        name = given["workerid"]
        tests = tuple(item.nodeid for item in load_tests)
        self._member = WorkerClient(name, given["straingauge"], tests)
        self._process = WorkerContext(self._config, self._member, name)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run a load test with the other workers; exactly one of all reports it."""
        if self._member is None or not is_load_test(item):
            return None
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        error = next((str(report.longrepr) for report in reports if report.failed), None)
        if self._member.left(item.nodeid, error):
            hook = item.ihook
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in reports:
                hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl
    def pytest_runtest_logfinish(self) -> None:
        """A long series of ordinary tests is no silence."""
        if self._member is not None:
            self._member.alive()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show our errors as the sentences they are; hand the result over: its file, or itself."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, StraingaugeError):
            report.longrepr = call.excinfo.value.with_hint
        load = item.stash.get(_LOAD, None)
        if load is not None and report.when == "call":
            end = load.ending
            vars(report)["straingauge_result"] = str(end.path) if end and end.path else ""
            if end is not None and end.problem is not None:
                unwritten = [json.dumps(end.result), str(end.problem)]
                vars(report)["straingauge_unwritten"] = unwritten
        return report

    @pytest.fixture
    def load(self, request: pytest.FixtureRequest) -> "LoadTest":
        """Puts one load on the service; for tests marked `load`."""
        from straingauge.pytest_plugin.load_test import LoadTest

        item: pytest.Item = request.node
        if not is_load_test(item) or self._process is None:
            pytest.fail(f"{item.nodeid} uses `load`: mark it @pytest.mark.load", pytrace=False)
        load = item.stash[_LOAD] = LoadTest(item, self._process)
        return load

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Take leave of the others."""
        if self._member is not None:
            self._member.close()


def is_load_test(item: pytest.Item) -> bool:
    """Whether the test is marked `load`."""
    return item.get_closest_marker("load") is not None
