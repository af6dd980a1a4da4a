"""The plugin in processes that run tests: each xdist worker, or the only process."""

import json
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

from straingauge.errors import StraingaugeError
from straingauge.pytest_plugin.failures import fail_report, format_error
from straingauge.pytest_plugin.load_items import FIXTURE, hides_another, is_load_test, is_repeated
from straingauge.workers import CoordinatorClient, CoordinatorError, WorkerClient

if TYPE_CHECKING:
    from straingauge.pytest_plugin.load_test import LoadTest
    from straingauge.pytest_plugin.worker_context import WorkerContext

_LOAD_TEST: "pytest.StashKey[LoadTest]" = pytest.StashKey()


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
        self._problem: StraingaugeError | None = None

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
        try:
            self._client = WorkerClient(name, workerinput["straingauge"], tests)
        except StraingaugeError as error:
            self._problem = error
        else:
            self._context = WorkerContext(self._config, self._client, name)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run a load test once, with the other workers if there are any; one of them reports it.

        Plugins that repeat failed tests do not see it: a load test that passes the second time has
        found that the service is slow once.
        """
        if not is_load_test(item):
            return None
        hook = item.ihook
        if self._client is None:
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            runtestprotocol(item, nextitem=nextitem)
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return True
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if self._reports(self._client, item, reports):
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in reports:
                hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _reports(
        self, client: WorkerClient, item: pytest.Item, reports: Sequence[pytest.TestReport]
    ) -> bool:
        """Leave a load test; return whether this process reports it."""
        error = next((str(report.longrepr) for report in reports if report.failed), None)
        try:
            return client.leave_test(item.nodeid, error)
        except CoordinatorError as lost:
            fail_report(reports[-1], format_error(lost))
            return True

    @pytest.hookimpl
    def pytest_runtest_logfinish(self) -> None:
        """Tell the coordinator after each test that this process is alive."""
        if self._client is not None:
            with suppress(CoordinatorError):  # the next load test says so
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
                unwritten = [json.dumps(end.result, default=str), str(end.problem)]
                vars(report)["straingauge_unwritten"] = unwritten
        if load is not None and report.failed and is_repeated(item):
            report.sections.append(
                (
                    "straingauge",
                    "a load test is not repeated after a failure; run it again yourself",
                )
            )
        return report

    @pytest.fixture
    def load(self, request: pytest.FixtureRequest) -> Any:  # noqa: ANN401  LoadTest, or another plugin's
        """Put one load on the service; see straingauge.pytest_plugin."""
        item: pytest.Item = request.node
        if not is_load_test(item):
            if hides_another(item):
                return request.getfixturevalue(FIXTURE)
            pytest.fail(
                f"{item.nodeid} uses `load` through getfixturevalue: name it as a parameter of the "
                "test, since all processes must know the load tests in advance",
                pytrace=False,
            )
        if self._problem is not None:
            raise self._problem
        if self._context is None:
            pytest.fail(f"{item.nodeid} became a load test after the collection", pytrace=False)
        from straingauge.pytest_plugin.load_test import LoadTest

        load = item.stash[_LOAD_TEST] = LoadTest(item, self._context)
        return load

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Disconnect from the coordinator."""
        if self._client is not None:
            self._client.close()
