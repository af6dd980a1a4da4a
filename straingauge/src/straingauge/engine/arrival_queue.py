"""Arrivals and free users, matched first come, first served."""

from collections import deque
from collections.abc import Iterable
from time import monotonic_ns
from typing import Final, Generic, TypeAlias, TypeVar

from straingauge.engine.schedule_lag import ScheduleLag

UserT = TypeVar("UserT")

MAX_QUEUED: Final = 100_000
"""Arrivals that may wait for a free user in one process; more are dropped."""

Arrival: TypeAlias = tuple[int, int]
"""An arrival's number in the whole schedule, and its intended start (`time.monotonic_ns`)."""


class ArrivalQueue(Generic[UserT]):
    """Gives each arrival to the user that has been free the longest, or to the next free one.

    An arrival that waits keeps its intended start, from which response time is measured: a slow
    service cannot hide its own delays by making the generator wait (coordinated omission).

    Args:
        users: the users that are free.
        max_queued: how many arrivals may wait.
    """

    def __init__(self, users: Iterable[UserT] = (), max_queued: int = MAX_QUEUED) -> None:
        self._free: deque[UserT] = deque(users)
        self._queued: deque[Arrival] = deque()
        self._max_queued = max_queued

    @property
    def free(self) -> int:
        """Number of free users."""
        return len(self._free)

    @property
    def queued(self) -> int:
        """Number of arrivals that wait for a user."""
        return len(self._queued)

    def arrive(self, n: int, intended_ns: int, lag: ScheduleLag) -> UserT | None:
        """Find a user for an arrival that is due.

        Args:
            n: its number in the whole schedule.
            intended_ns: its intended start.
            lag: counts its delay, and whether it waits or is dropped.

        Returns:
            The user; None if the arrival waits or was dropped.
        """
        lag.start_delay.add(max(0, monotonic_ns() - intended_ns))
        if self._free:
            return self._free.popleft()
        if len(self._queued) < self._max_queued:
            lag.waited += 1
            self._queued.append((n, intended_ns))
        else:
            lag.dropped += 1
        return None

    def release(self, user: UserT) -> Arrival | None:
        """Return the arrival that a free user takes over; None if none waits: the user does."""
        if self._queued:
            return self._queued.popleft()
        self._free.append(user)
        return None

    def remove(self, user: UserT) -> None:
        """Remove a free user."""
        self._free.remove(user)

    def remove_all(self) -> list[UserT]:
        """Remove and return the free users."""
        users = list(self._free)
        self._free.clear()
        return users

    def drop_queued(self, lag: ScheduleLag) -> None:
        """Drop the arrivals that wait."""
        lag.dropped += len(self._queued)
        self._queued.clear()
