"""What to play, where to, and what the engine says of itself afterwards."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

from straingauge.errors import UsageError
from straingauge.histogram import Histogram
from straingauge.http import RawHeaders, RequestFailed
from straingauge.journey import Mix, User
from straingauge.schedule import ConstantUsers, Schedule, Waves

Connections = Literal["per-user", "per-journey", "shared"]


def require_pool(connections: Connections, max_connections: int | None) -> None:
    """Raise UsageError where a limit makes no sense, or there is no pool to be limited."""
    if max_connections is not None and not max_connections > 0:
        raise UsageError(f"max_connections must be more than 0, not {max_connections}")
    if max_connections is not None and connections != "shared":
        raise UsageError(
            f'max_connections limits a pool, and connections="{connections}" has none',
            hint='write connections="shared" (straingauge run: --connections shared)',
        )


class EndpointSink(Protocol):
    """Takes the outcomes of one endpoint in one phase; `record.Channel` is the one."""

    def add(  # noqa: PLR0917  names or an object for each outcome would cost time
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        status: int,
        headers: RawHeaders | None,
        /,
    ) -> None:
        """Count a request that went well; its response's headers are read later, if at all."""

    def fail(
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        failure: RequestFailed,
        /,
    ) -> None:
        """Count a request that failed or was rate limited."""

    def journey_error(self, detail: str, /) -> None:
        """Count a failure of the journey's own code."""

    def connected(self, connect_ns: int, /) -> None:
        """Count the opening of a connection."""


class OutcomeSink(Protocol):
    """Where outcomes go; `record.Recorder` is the one."""

    def channel(self, phase: str, endpoint: str, origin_ns: int, /) -> EndpointSink:
        """The way in for one endpoint in one phase."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load: who does what, when, to whom.

    Attributes:
        base_url: "http://host:port" of the target.
        schedule: when journeys start.
        mix: which journeys.
        users: everybody; process i of n plays those whose index is i (mod n).
        timeout_s: for each request that has none of its own, connecting included.
        connections: one for each user, kept alive like a browser's; a new one each journey; or
            all users share a pool of kept-alive ones, like the threads of a service in front.
        max_connections: of that pool, over all processes; one for each user if None.
        allowed_hosts: hosts other than this machine that may be put under load.
        tls: for https; None verifies certificates by the system's authorities.
        most_waiting: arrivals that may wait for a free user in one process; more are dropped.
    """

    base_url: str
    schedule: Schedule
    mix: Mix
    users: Sequence[User]
    timeout_s: float = 30.0
    connections: Connections = "per-user"
    allowed_hosts: frozenset[str] = frozenset()
    tls: ssl.SSLContext | None = None
    most_waiting: int = 100_000
    max_connections: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s < inf:
            raise UsageError(f"timeout_s must be more than 0, not {self.timeout_s}")
        require_pool(self.connections, self.max_connections)
        schedule, have = self.schedule, len(self.users)
        needed = 1
        if isinstance(schedule, ConstantUsers):
            needed = schedule.count
        elif isinstance(schedule, Waves):
            needed = schedule.concurrent
        if have < needed:
            raise UsageError(f"the schedule needs {needed} users, the load has {have}")

    def assign_users(self, i: int, n: int) -> list[User]:
        """The users that process i of n plays.

        Raises:
            UsageError: there is none for arrivals to go to.
        """
        users = self.users
        if isinstance(self.schedule, ConstantUsers):
            users = users[: self.schedule.count]
        cast = [user for user in users if user.index % n == i]
        if not cast and not isinstance(self.schedule, ConstantUsers):
            raise UsageError(f"share {i} of {n} has no user: {len(users)} users are too few")
        return cast

    def most_connections(self, i: int, n: int) -> int:
        """How many connections process i of n has at most; of a shared pool, at least one."""
        if self.max_connections is None:
            return len(self.assign_users(i, n))
        return max(len(range(i, self.max_connections, n)), 1)


@dataclass(frozen=True, slots=True)
class Delay:
    """How delays were distributed, in milliseconds; zeros when there was none to measure."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, histogram: Histogram) -> "Delay":
        """The delays of a histogram."""
        p50, p99 = histogram.quantile_ns(0.50), histogram.quantile_ns(0.99)
        return cls((p50 or 0) / 1e6, (p99 or 0) / 1e6, (histogram.max_ns or 0) / 1e6)


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What one process's engine says of itself: the ground for the run's validity.

    Attributes:
        sent: requests written.
        journeys: journeys begun.
        dropped: arrivals that never started, since too many were waiting or time was over.
        waited: arrivals that found no free user at once; their response time counts the wait.
        connections: opened.
        reconnected: connections the server closed while idle, noticed only on sending, reopened.
        abandoned: requests under way when the run was interrupted; they are nowhere counted.
        late_ms: how long after its intended start each arrival was handled.
        loop_lag_ms: how late the loop's clockwork ran, sampled 100 times a second.
        cpu_share: this process's CPU time by the time passed; 1.0 is one core, saturated.
        duration_s: from the start to the end of the last request.
        interrupted: whether Ctrl-C ended it.
        waited_for_connection: requests that found no free connection in a shared pool; their
            response time counts the wait.
    """

    sent: int
    journeys: int
    dropped: int
    waited: int
    connections: int
    reconnected: int
    abandoned: int
    late_ms: Delay
    loop_lag_ms: Delay
    cpu_share: float
    duration_s: float
    interrupted: bool
    waited_for_connection: int = 0
