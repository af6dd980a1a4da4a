"""A queue of what the sockets received: stamped at once, worked on afterwards."""

from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Final, Protocol, TypeAlias

from straingauge.http.exchange import Received

# Length of a slice of work, before the loop looks for what has come in the meantime. It bounds by
# how much one user's work (JSON, checks) can delay the stamp of another's response: by a slice and
# one step of work.
_SLICE_NS: Final = 250_000

Schedule: TypeAlias = Callable[[Callable[[], None]], object]
"""Has an event loop call a function soon."""


class Receiver(Protocol):
    """The user's side of one connection."""

    def process(self, received: Received, at_ns: int, /) -> None:
        """Work on what was received at this instant."""


class ReceiveQueue:
    """A queue between the sockets of one event loop and the work on what they received.

    An event loop hands over what all readable sockets have before it runs what was scheduled
    meanwhile. So everything that has arrived gets its stamp before any of it is worked on, and no
    user's response time contains the work for another user.

    Args:
        schedule: schedules a slice of work after the sockets that are readable now.
        reschedule: schedules the next slice, after the loop has looked at the sockets again; the
            same as `schedule` if None.
    """

    __slots__ = ("_is_scheduled", "_items", "_reschedule", "_schedule", "_tasks")

    def __init__(self, schedule: Schedule, reschedule: Schedule | None = None) -> None:
        self._schedule = schedule
        self._reschedule = reschedule or schedule
        self._items: deque[tuple[Receiver, Received, int]] = deque()
        self._tasks: deque[Callable[[], object]] = deque()
        self._is_scheduled = False

    def put(self, receiver: Receiver, received: Received) -> None:
        """Stamp what this receiver's socket received, and queue it."""
        self._items.append((receiver, received, monotonic_ns()))
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self._work)

    def add_task(self, task: Callable[[], object]) -> None:
        """Queue a piece of work that is less urgent than what was received."""
        self._tasks.append(task)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self._work)

    def _work(self) -> None:
        items, tasks, until_ns = self._items, self._tasks, monotonic_ns() + _SLICE_NS
        while items:
            receiver, received, at_ns = items.popleft()
            receiver.process(received, at_ns)
            if monotonic_ns() > until_ns:
                break
        while tasks:
            tasks.popleft()()
            if monotonic_ns() > until_ns:
                break
        if items or tasks:
            self._reschedule(self._work)
        else:
            self._is_scheduled = False
