"""Which virtual user has which number, and so which account: no two at a time have the same."""

import heapq
from collections.abc import Callable


class UserIdAllocator:
    """Gives out the lowest free number.

    Worker i of n gives out i, i + n, i + 2n, ..., so that the workers of a distributed run share no
    account either.

    Args:
        share: Gives i and n; asked when a number is taken, since a worker learns it from its
            master.
    """

    def __init__(self, share: Callable[[], tuple[int, int]]) -> None:
        self._share = share
        self._taken = 0
        self._free: list[int] = []

    def take(self) -> int:
        """A number nobody has."""
        first, step = self._share()
        if self._free:
            return heapq.heappop(self._free)
        self._taken += 1
        return first + (self._taken - 1) * step

    def give_back(self, number: int) -> None:
        """Let somebody else have this number."""
        heapq.heappush(self._free, number)
