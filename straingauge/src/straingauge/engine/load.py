"""The engine's input (a load), its output (statistics), and the sinks that receive outcomes."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, Protocol

from straingauge.engine.arrival_queue import MAX_QUEUED
from straingauge.engine.delay_histogram import Delay
from straingauge.engine.scenario_load import ScenarioLoad
from straingauge.errors import UsageError
from straingauge.histogram import Histogram
from straingauge.http import RawHeaders, RequestFailed, StreamReader
from straingauge.http.settings import HttpSettings
from straingauge.http.websocket import WebSocket
from straingauge.journey import Mix, TransactionEnd, User
from straingauge.schedule import Schedule

Connections = Literal["per-user", "per-journey", "shared"]


def require_pool(connections: Connections, max_connections: int | None) -> None:
    """Check the limit of a connection pool.

    Raises:
        UsageError: it is not more than 0, or there is no pool.
    """
    if max_connections is not None and not max_connections > 0:
        raise UsageError(f"max_connections must be more than 0, not {max_connections}")
    if max_connections is not None and connections != "shared":
        raise UsageError(
            f'max_connections limits a pool, and connections="{connections}" has none',
            hint='write connections="shared" (straingauge run: --connections shared)',
        )


class EndpointSink(Protocol):
    """Receives the outcomes of one endpoint in one phase; see `recording.EndpointRecorder`."""

    def add(  # noqa: PLR0917  names or an object for each outcome would cost time
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        status: int,
        headers: RawHeaders | None,
        trace: int = 0,
        /,
    ) -> None:
        """Count a successful request. All times are instants of `time.monotonic_ns`.

        Args:
            intended_ns: when it should have started; response time is measured from here.
            sent_ns: when its first byte was sent; service time is measured from here.
            first_byte_ns: when its response began.
            done_ns: when its response was complete.
            status: the response's status.
            headers: the response's headers, decoded later, if at all.
            trace: number of its trace; 0 without one.
        """

    def add_failure(  # noqa: PLR0917  as `add`
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        failure: RequestFailed,
        trace: int = 0,
        /,
    ) -> None:
        """Count a request that failed or was rate limited; see `add`."""

    def add_stream(self, intended_ns: int, stream: StreamReader, /) -> None:
        """Count what was read of a stream that should have started at this instant."""

    def add_websocket(self, socket: WebSocket, closed_ns: int, /) -> None:
        """Count a WebSocket that was closed at this instant."""

    def add_journey_error(self, detail: str, /) -> None:
        """Count an error in the journey's own code."""

    def add_connection(self, connect_ns: int, /) -> None:
        """Count an opened connection, by how long that took."""


class TransactionSink(Protocol):
    """Receives the transactions of one name in one phase; see `recording.TransactionRecorder`."""

    def add(self, begun_ns: int, ended_ns: int, paused_ns: int, end: TransactionEnd, /) -> None:
        """Count a transaction, by its instants of `time.monotonic_ns` and its time in pauses."""


class OutcomeSink(Protocol):
    """Receives the outcomes of a run; see `recording.Recorder`."""

    def endpoint_sink(self, phase: str, endpoint: str, origin_ns: int, /) -> EndpointSink:
        """Return the sink of one endpoint in one phase, whose run began at `origin_ns`."""

    def transaction_sink(self, phase: str, name: str, /) -> TransactionSink:
        """Return the sink of the transactions of one name in one phase."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load: which users run which journeys, when, against which target.

    Attributes:
        base_url: "http://host:port" of the target, perhaps with a base path for all requests.
        schedule: when journeys start.
        mix: which journeys.
        users: all users; process i of n runs those whose index is i (mod n).
        timeout_s: timeout of each request that does not set one, connecting included.
        connections: one for each user, kept alive as in a browser; a new one for each journey; or
            a pool of kept-alive ones that all users share, as in the client of another service.
        max_connections: size of that pool over all processes; one for each user if None.
        allowed_hosts: hosts other than this machine that may be put under load.
        http: settings of connections to the target.
        tls: context of TLS; None makes that of the settings.
        scenarios: these run at once, instead of `schedule`, `mix` and `users`.
        most_waiting: arrivals that may wait for a free user in one process; more are dropped.
    """

    base_url: str
    schedule: Schedule
    mix: Mix
    users: Sequence[User]
    timeout_s: float = 30.0
    connections: Connections = "per-user"
    allowed_hosts: frozenset[str] = frozenset()
    http: HttpSettings = field(default_factory=HttpSettings)
    tls: ssl.SSLContext | None = None
    most_waiting: int = MAX_QUEUED
    max_connections: int | None = None
    scenarios: tuple[ScenarioLoad, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s < inf:
            raise UsageError(f"timeout_s must be more than 0, not {self.timeout_s}")
        require_pool(self.connections, self.max_connections)
        if not self.scenarios:
            _ = self.parts  # checks the number of users

    @property
    def parts(self) -> tuple[ScenarioLoad, ...]:
        """The scenarios; without any, one that has no name."""
        if self.scenarios:
            return self.scenarios
        return (ScenarioLoad("", self.schedule, self.mix, self.users),)

    def most_connections(self, i: int, n: int) -> int:
        """Return how many connections process i of n may have; of a shared pool, at least one."""
        if self.max_connections is None:
            return sum(len(part.assign_users(i, n)) for part in self.parts)
        return max(len(range(i, self.max_connections, n)), 1)


@dataclass(frozen=True, slots=True)
class ScenarioStats:
    """Statistics of one scenario in one process; see `EngineStats`."""

    journeys: int
    dropped: int
    waited: int
    start_delay_ms: Delay


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Statistics of one process's engine, by which the run's validity is checked.

    Attributes:
        sent: requests written.
        journeys: journeys begun.
        dropped: arrivals that never started, because too many were waiting or the run ended.
        waited: arrivals that found no free user; their response time includes the wait.
        connections: connections opened.
        http2_connections: of these, how many speak HTTP/2.
        http1_instead: of these, how many speak HTTP/1.1, though HTTP/2 was asked for.
        reconnected: of all, how many replaced one that the server had closed while it was idle.
        closed_idle: connections that the server closed while no request was in flight.
        abandoned: requests in flight when the run was interrupted; they are not recorded.
        start_delay_ms: delay between each arrival's intended start and when it was handled.
        loop_lag_ms: delay of a timer of the event loop, sampled 100 times a second.
        cpu_share: this process's CPU time divided by elapsed time; 1.0 is one saturated core.
        duration_s: time from the start to the end of the last request.
        interrupted: Ctrl-C ended the run.
        waited_for_connection: requests that found no free connection in a shared pool; their
            response time includes the wait.
        thread_queue_ms: time in which own steps waited for a thread; it is in no other time.
        blocking_call: the own step that kept the event loop for the longest time, if it was long,
            and that time in ms.
        end_reason: why the load ended before its schedule did, by intention; None if it did not.
        scenarios: by name; empty if the load has none.
        deviation: times from the recorded starts of requests to their actual ones; None if the
            load replays no recording.
    """

    sent: int
    journeys: int
    dropped: int
    waited: int
    connections: int
    reconnected: int
    abandoned: int
    start_delay_ms: Delay
    loop_lag_ms: Delay
    cpu_share: float
    duration_s: float
    interrupted: bool
    waited_for_connection: int = 0
    closed_idle: int = 0
    http2_connections: int = 0
    http1_instead: int = 0
    end_reason: str | None = None
    thread_queue_ms: Delay = field(default_factory=lambda: Delay(0.0, 0.0, 0.0))
    blocking_call: tuple[str, float] | None = None
    scenarios: Mapping[str, ScenarioStats] = field(default_factory=dict)
    deviation: Histogram | None = None
