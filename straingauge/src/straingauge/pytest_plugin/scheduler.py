"""How xdist's workers share tests when there are load tests: those on all, the rest once each."""

from collections.abc import Sequence
from typing import Any

from straingauge.workers import Coordinator

# xdist bears no types, and need not be installed.
Scheduling = Any
Worker = Any


class LoadScheduler:
    """Gives each load test to every worker, in one order, after the worker's share of the others.

    Where no load test was collected it hands everything to `stock`, the scheduler the user's
    options ask for. Which it is, is known with the first collection: a worker tells the coordinator
    of its load tests before it reports what it has collected.
    """

    def __init__(self, stock: Scheduling, coordinator: Coordinator, workers: int) -> None:
        self._stock = stock
        self._coordinator = coordinator
        self._expected = workers
        self._collections: dict[Worker, list[str]] = {}
        self._pending: dict[Worker, list[int]] = {}
        self._orphaned: list[list[int]] = []
        self._started: set[Worker] = set()

    @property
    def _together(self) -> bool:
        return bool(self._coordinator.load_tests)

    @property
    def nodes(self) -> list[Worker]:
        """The workers that are there."""
        return list(self._pending if self._together else self._stock.nodes)

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker has reported what it collected."""
        if not self._together:
            return bool(self._stock.collection_is_completed)
        return bool(self._started) or len(self._collections) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to be run by anyone."""
        if not self._together:
            return bool(self._stock.tests_finished)
        return self.collection_is_completed and not self.has_pending and not self._orphaned

    @property
    def has_pending(self) -> bool:
        """Whether a worker still has tests to run."""
        if not self._together:
            return bool(self._stock.has_pending)
        return any(self._pending.values())

    def add_node(self, node: Worker) -> None:
        """A worker is there; the stock scheduler hears of it too, as nobody has collected yet."""
        self._stock.add_node(node)
        self._pending[node] = []

    def add_node_collection(self, node: Worker, collection: Sequence[str]) -> None:
        """A worker has collected; one that replaces a lost worker takes over what that had left."""
        if not self._together:
            self._stock.add_node_collection(node, collection)
            return
        self._collections[node] = list(collection)
        if self._started:
            self._pending[node] = self._orphaned.pop(0) if self._orphaned else []

    def mark_test_complete(self, node: Worker, item_index: int, duration: float = 0) -> None:
        """A worker is done with a test."""
        if self._together:
            self._pending[node].remove(item_index)
        else:
            self._stock.mark_test_complete(node, item_index, duration)

    def mark_test_pending(self, item: str) -> None:
        """A test shall be run again; with load tests nobody asks for that."""
        self._stock.mark_test_pending(item)

    def remove_pending_tests_from_node(self, node: Worker, indices: Sequence[int]) -> None:
        """A worker gave tests back; with load tests nobody asks for that."""
        self._stock.remove_pending_tests_from_node(node, indices)

    def remove_node(self, node: Worker) -> str | None:
        """A worker has gone; gives the test it was at, when nobody else will report that one.

        A follower that is lost in a load test is named in that test's result, by its leader.
        """
        if not self._together:
            self._pending.pop(node, None)
            crashed: str | None = self._stock.remove_node(node)
            return crashed
        pending = self._pending.pop(node)
        if not pending:
            return None
        item = self._collections[node][pending.pop(0)]
        if pending:
            self._orphaned.append(pending)
        shared = item in self._coordinator.load_tests
        return None if shared and not self._coordinator.is_leader(node.gateway.id, item) else item

    def schedule(self) -> None:
        """Hand the tests out; called again when a lost worker has been replaced."""
        if not self._together:
            self._stock.schedule()
            return
        waiting = [node for node in self._pending if node not in self._started]
        first = not self._started
        for number, node in enumerate(waiting):
            if first:
                self._pending[node] = self._share(self._collections[node], number, len(waiting))
            self._started.add(node)
            node.send_runtest_some(self._pending[node])
            node.shutdown()

    def _share(self, collection: Sequence[str], number: int, of: int) -> list[int]:
        together = self._coordinator.load_tests
        alone = [index for index, item in enumerate(collection) if item not in together]
        return alone[number::of] + [i for i, item in enumerate(collection) if item in together]
