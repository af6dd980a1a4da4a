"""Numbers of the virtual users, and so their accounts: no two running users share one."""

import heapq
from collections.abc import Callable


class UserIdAllocator:
    """Allocates the lowest free number.

    Worker i of n allocates i, i + n, i + 2n, ..., so that the workers of a distributed run share no
    account.

    Args:
        sequence: Returns this process's first number and the step to the next. Called at each
            allocation, because a worker learns both from its master.
    """

    def __init__(self, sequence: Callable[[], tuple[int, int]]) -> None:
        self._sequence = sequence
        self._allocated = 0
        self._free: list[int] = []

    def allocate(self) -> int:
        """Return a number that no running user has."""
        first, step = self._sequence()
        if self._free:
            return heapq.heappop(self._free)
        self._allocated += 1
        return first + (self._allocated - 1) * step

    def release(self, number: int) -> None:
        """Make a number available to the next user."""
        heapq.heappush(self._free, number)
