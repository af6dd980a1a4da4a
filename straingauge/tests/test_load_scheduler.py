"""Distribution of ordinary tests in a session with load tests; no process is started."""

from types import SimpleNamespace
from typing import Any

import pytest
from straingauge.pytest_plugin.scheduler import LoadScheduler
from xdist.scheduler import EachScheduling, LoadFileScheduling, LoadScheduling, LoadScopeScheduling

COLLECTION = ["a.py::A::x", "b.py::y", "a.py::A::z", "a.py::w", "b.py::v", "c.py::load"]


class Worker:
    """A worker that keeps the tests it is given."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.tests: list[str] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        """Keep the tests."""
        self.tests = [COLLECTION[index] for index in indices]

    def shutdown(self) -> None:
        """Expect no further tests."""


def scheduler(stock: type, dist: str, workers: int) -> LoadScheduler:
    """Create a scheduler for a session with one load test."""
    options = {
        "dist": dist,
        "maxschedchunk": None,
        "tx": ["popen"] * workers,
        "loadscopereorder": 1,
    }
    config = SimpleNamespace(
        getoption=options.get, getvalue=options.get, option=SimpleNamespace(**options)
    )
    coordinator: Any = SimpleNamespace(load_tests={"c.py::load"}, is_leader=lambda *_: True)
    return LoadScheduler(stock(config), coordinator, workers)


@pytest.mark.parametrize(
    ("second", "found"),
    [
        ([*reversed(COLLECTION)], "test 1: gw0 has a.py::A::x; gw1 has c.py::load"),
        (COLLECTION[:-1], "test 6: gw0 has c.py::load; gw1 has nothing"),
        ([*COLLECTION, "d.py::x"], "test 7: gw0 has nothing; gw1 has d.py::x"),
    ],
)
def test_processes_must_collect_the_same_tests(second: list[str], found: str):
    """If processes collect different tests, none runs, and the first difference is reported."""
    scheduling, workers = scheduler(LoadScheduling, "load", 2), [Worker("gw0"), Worker("gw1")]
    reports: list[pytest.CollectReport] = []

    def collect(*, report: pytest.CollectReport) -> None:
        reports.append(report)

    scheduling.config.hook = SimpleNamespace(pytest_collectreport=collect)
    for worker, collection in zip(workers, (COLLECTION, second), strict=True):
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, collection)
    scheduling.schedule()
    (report,) = reports
    assert (report.outcome, report.nodeid, found in str(report.longrepr)) == ("failed", "gw1", True)
    assert [worker.tests for worker in workers] == [[], []]
    assert scheduling.tests_finished


def assigned(stock: type, dist: str) -> tuple[LoadScheduler, list[Worker]]:
    """Distribute the tests over two workers."""
    scheduling, workers = scheduler(stock, dist, 2), [Worker("gw0"), Worker("gw1")]
    for worker in workers:
        scheduling.add_node(worker)
    for worker in workers:
        scheduling.add_node_collection(worker, COLLECTION)
    scheduling.schedule()
    return scheduling, workers


@pytest.mark.parametrize(
    ("stock", "dist", "first", "second"),
    [
        (LoadScheduling, "load", [0, 2, 4], [1, 3]),
        (LoadScopeScheduling, "loadscope", [0, 2, 3], [1, 4]),
        (LoadFileScheduling, "loadfile", [0, 2, 3], [1, 4]),
        (EachScheduling, "each", [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
    ],
)
def test_the_distribution_keeps_its_promises(
    stock: type, dist: str, first: list[int], second: list[int]
):
    """Tests that --dist keeps together stay together, and the load test is in each worker."""
    _, workers = assigned(stock, dist)
    for worker, expected in zip(workers, (first, second), strict=True):
        assert worker.tests == [*(COLLECTION[index] for index in expected), "c.py::load"]


def test_the_test_of_a_lost_worker_is_repeated():
    """A plugin may repeat the test in which a worker crashed, but no load test."""
    scheduling, (lost, _) = assigned(LoadScheduling, "load")
    assert scheduling.remove_node(lost) == "a.py::A::x"
    scheduling.mark_test_pending("a.py::A::x")
    scheduling.mark_test_pending("c.py::load")
    replacement = Worker("gw2")
    scheduling.add_node(replacement)
    scheduling.add_node_collection(replacement, COLLECTION)
    scheduling.schedule()
    assert replacement.tests == ["a.py::A::x", "a.py::A::z", "b.py::v", "c.py::load"]
