"""Which virtual user has which number, and so which account: no two at a time have the same."""

import heapq
from collections.abc import Callable


class Seats:
    """Gives out the lowest free number.

    Worker i of n gives out i, i + n, i + 2n, ..., so that the workers of a distributed run share no
    account either.

    Args:
        first: i; asked when the first number is taken, since a worker learns it from its master.
        step: n; likewise.
    """

    def __init__(self, first: Callable[[], int], step: Callable[[], int]) -> None:
        self._first = first
        self._step = step
        self._taken = 0
        self._free: list[int] = []

    def take(self) -> int:
        """A number nobody has."""
        if self._free:
            return heapq.heappop(self._free)
        self._taken += 1
        return self._first() + (self._taken - 1) * self._step()

    def give_back(self, number: int) -> None:
        """Let somebody else have this number."""
        heapq.heappush(self._free, number)
