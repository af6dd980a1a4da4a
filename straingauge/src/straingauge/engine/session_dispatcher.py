"""Dispatching of recorded requests, each to the virtual user of its session."""

from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from straingauge.engine.arrival_queue import Arrival
from straingauge.engine.delay_histogram import DelayHistogram
from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.virtual_user import VirtualUser
from straingauge.journey import Mix
from straingauge.schedule import Recorded


class SessionDispatcher(Dispatcher):
    """Starts a journey for each recorded request, with the requests of a user in their order.

    A request that is due while its user waits for an earlier response is queued, and keeps its
    intended start, from which response time is measured (no coordinated omission).

    Args:
        users: the virtual users of this process.
        mix: the journeys, by the number of the request.
        sinks_at: the sinks of a journey by its intended start.
        max_queued: requests that may wait for their user; more are dropped.
        requests: the requests of these users.

    Attributes:
        deviation: time from each request's intended start to its actual one.
    """

    def __init__(
        self,
        users: list[VirtualUser],
        mix: Mix,
        sinks_at: Callable[[int], EndpointSinks],
        max_queued: int,
        requests: Recorded,
    ) -> None:
        super().__init__(users, mix, sinks_at, max_queued)
        self.deviation = DelayHistogram()
        self._by_index = {user.user.index: user for user in users}
        self._max_queued = max_queued
        self._requests = requests
        self._waiting: dict[VirtualUser, deque[Arrival]] = {}  # by each user that is busy
        self._queued = 0

    @property
    def is_idle(self) -> bool:
        """No request is running or waiting."""
        return not self._waiting

    @property
    def pending(self) -> int:
        """Number of requests that were due but not started: they wait, or were dropped."""
        return self._queued + self.lag.dropped

    def dispatch(self, n: int, intended_ns: int) -> None:
        """Start request n of this process, which is due, or queue it."""
        self.lag.start_delay.add(max(0, monotonic_ns() - intended_ns))
        user = self._by_index[int(self._requests.user_index[n])]
        number = int(self._requests.numbers[n])
        waiting = self._waiting.get(user)
        if waiting is None:
            self._waiting[user] = deque()
            self._start(user, number, intended_ns)
        elif self._queued < self._max_queued:
            self.lag.waited += 1
            self._queued += 1
            waiting.append((number, intended_ns))
        else:
            self.lag.dropped += 1

    def release(self, user: VirtualUser) -> None:
        """Let a user send its next request, if one is due."""
        waiting = self._waiting[user]
        if waiting:
            self._queued -= 1
            self._start(user, *waiting.popleft())
        else:
            del self._waiting[user]

    def drop_queued(self) -> None:
        """Drop the requests that wait."""
        for waiting in self._waiting.values():
            waiting.clear()
        self.lag.dropped += self._queued
        self._queued = 0

    def _start(self, user: VirtualUser, n: int, intended_ns: int) -> None:
        self.deviation.add(abs(monotonic_ns() - intended_ns))
        super()._start(user, n, intended_ns)
