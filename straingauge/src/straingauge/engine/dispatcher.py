"""Dispatching of arrivals to virtual users."""

from collections.abc import Callable

from straingauge.engine.arrival_queue import ArrivalQueue
from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.schedule_lag import ScheduleLag
from straingauge.engine.virtual_user import VirtualUser
from straingauge.journey import Mix


class Dispatcher:
    """Starts a journey for each arrival; see `ArrivalQueue`.

    Args:
        users: the virtual users of this process.
        mix: the journeys.
        sinks_at: the sinks of a journey by its intended start.
        max_queued: arrivals that may wait for a free user; more are dropped.

    Attributes:
        lag: how well the arrivals' intended starts were kept.
    """

    def __init__(
        self,
        users: list[VirtualUser],
        mix: Mix,
        sinks_at: Callable[[int], EndpointSinks],
        max_queued: int,
    ) -> None:
        self.lag = ScheduleLag()
        self._queue = ArrivalQueue(users, max_queued)
        self._users = len(users)
        self._mix = mix
        self._sinks_at = sinks_at

    @property
    def is_idle(self) -> bool:
        """No execution is running, and no arrival waits."""
        return self._queue.free == self._users

    @property
    def pending(self) -> int:
        """Number of arrivals that were due but not started: they wait, or were dropped."""
        return self._queue.queued + self.lag.dropped

    def dispatch(self, n: int, intended_ns: int) -> None:
        """Start arrival n of the whole schedule, which is due, or queue it."""
        user = self._queue.arrive(n, intended_ns, self.lag)
        if user is not None:
            self._start(user, n, intended_ns)

    def release(self, user: VirtualUser) -> None:
        """Give a free user the arrival that has waited the longest, if any."""
        arrival = self._queue.release(user)
        if arrival is not None:
            self._start(user, *arrival)

    def drop_queued(self) -> None:
        """Drop the arrivals that wait."""
        self._queue.drop_queued(self.lag)

    def _start(self, user: VirtualUser, n: int, intended_ns: int) -> None:
        user.begin(self._mix.pick(n), intended_ns, self._sinks_at(intended_ns))
