"""Distribution of tests over xdist workers: load tests to all of them, others to one each."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import pytest

from straingauge.workers import Coordinator

# xdist has no types, and need not be installed.
Scheduling = Any
Worker = Any


class LoadScheduler:
    """Assigns each load test to every worker, in one order, after its share of the other tests.

    The other tests keep the promises of ``--dist``: tests of one scope, file or group run in one
    worker, and "each" runs them in all workers.

    If no load test was collected, it delegates to `stock`, the scheduler that the user's options
    select. This is known with the first collection, since a worker names its load tests to the
    coordinator before it reports its collection.
    """

    def __init__(self, stock: Scheduling, coordinator: Coordinator, workers: int) -> None:
        self.config = stock.config  # plugins that repeat the test of a crashed worker expect it
        self._stock = stock
        self._coordinator = coordinator
        self._expected = workers
        self._collections: dict[Worker, list[str]] = {}
        self._pending: dict[Worker, list[int]] = {}
        self._orphaned: list[list[int]] = []
        self._lost: list[int] = []  # what the last lost worker had left
        self._started: set[Worker] = set()

    @property
    def _together(self) -> bool:
        return bool(self._coordinator.load_tests)

    @property
    def nodes(self) -> list[Worker]:
        """The workers."""
        return list(self._pending if self._together else self._stock.nodes)

    @property
    def collection_is_completed(self) -> bool:
        """True once every worker has reported its collection."""
        if not self._together:
            return bool(self._stock.collection_is_completed)
        return bool(self._started) or len(self._collections) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """True once no worker has tests left."""
        if not self._together:
            return bool(self._stock.tests_finished)
        return self.collection_is_completed and not self.has_pending and not self._orphaned

    @property
    def has_pending(self) -> bool:
        """True while a worker has tests left."""
        if not self._together:
            return bool(self._stock.has_pending)
        return any(self._pending.values())

    def add_node(self, node: Worker) -> None:
        """Add a worker, to the stock scheduler as well: no tests are collected yet."""
        self._stock.add_node(node)
        self._pending[node] = []

    def add_node_collection(self, node: Worker, collection: Sequence[str]) -> None:
        """Add a worker's collection; a replacement takes over the rest of a lost worker."""
        if not self._together:
            self._stock.add_node_collection(node, collection)
            return
        self._collections[node] = list(collection)
        if self._started:
            self._pending[node] = self._orphaned.pop(0) if self._orphaned else []

    def mark_test_complete(self, node: Worker, item_index: int, duration: float = 0) -> None:
        """Remove a completed test of a worker."""
        if self._together:
            self._pending[node].remove(item_index)
        else:
            self._stock.mark_test_complete(node, item_index, duration)

    def mark_test_pending(self, item: str) -> None:
        """Run the test of a lost worker again, in the worker that replaces it."""
        if not self._together:
            self._stock.mark_test_pending(item)
        elif item not in self._coordinator.load_tests:
            index = next(iter(self._collections.values())).index(item)
            if any(rest is self._lost for rest in self._orphaned):
                self._lost.insert(0, index)
            else:
                self._lost = [index]
                self._orphaned.append(self._lost)

    def remove_pending_tests_from_node(self, node: Worker, indices: Sequence[int]) -> None:
        """Take tests back from a worker; does not occur with load tests."""
        self._stock.remove_pending_tests_from_node(node, indices)

    def remove_node(self, node: Worker) -> str | None:
        """Remove a lost worker; return its current test, unless another worker reports that one.

        A worker lost in a load test is named in that test's result, by the leader.
        """
        if not self._together:
            self._pending.pop(node, None)
            crashed: str | None = self._stock.remove_node(node)
            return crashed
        pending = self._pending.pop(node)
        if not pending:
            return None
        item = self._collections[node][pending.pop(0)]
        self._lost = pending
        if pending:
            self._orphaned.append(pending)
        shared = item in self._coordinator.load_tests
        return None if shared and not self._coordinator.is_leader(node.gateway.id, item) else item

    def schedule(self) -> None:
        """Assign the tests; called again when a lost worker has been replaced."""
        if not self._together:
            self._stock.schedule()
            return
        waiting = [node for node in self._pending if node not in self._started]
        first = not self._started
        if first and not self._is_same_collection():
            return
        for number, node in enumerate(waiting):
            if first:
                self._pending[node] = self._share(self._collections[node], number, len(waiting))
            self._started.add(node)
            node.send_runtest_some(self._pending[node])
            node.shutdown()

    def _is_same_collection(self) -> bool:
        """Return whether all workers have collected the same tests; report those that have not.

        Tests are assigned by their numbers, so others would not run, and load tests would wait for
        each other.
        """
        (leader, expected), *others = self._collections.items()
        differing = [(node, own) for node, own in others if own != expected]
        for node, own in differing:
            names = leader.gateway.id, node.gateway.id
            pairs = zip_longest(expected, own, fillvalue="nothing")
            number, pair = next((n, p) for n, p in enumerate(pairs, 1) if p[0] != p[1])
            found = "; ".join(f"{name} has {item}" for name, item in zip(names, pair, strict=True))
            text = (
                f"{names[1]} has collected other tests than {names[0]}, or in another order.\n"
                f"The first difference is test {number}: {found}.\n"
                "With -n each process collects the tests itself: make names and order of the tests"
                " the same in each (no sets, random or current values in parameters)."
            )
            report = pytest.CollectReport(names[1], "failed", text, [])
            self.config.hook.pytest_collectreport(report=report)
        return not differing

    def _share(self, collection: Sequence[str], number: int, of: int) -> list[int]:
        together = self._coordinator.load_tests
        alone = [index for index, item in enumerate(collection) if item not in together]
        if self.config.getoption("dist") != "each":
            groups: dict[str, list[int]] = {}
            # The method in which xdist's schedulers say what belongs together; others have none.
            group_of = getattr(self._stock, "_split_scope", str)
            for index in alone:
                groups.setdefault(group_of(collection[index]), []).append(index)
            alone = [index for group in list(groups.values())[number::of] for index in group]
        return alone + [index for index, item in enumerate(collection) if item in together]
