"""Everything that decides on the validity of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from straingauge.http import ErrorKind
from straingauge.statistics.throughput import Throughput
from straingauge.workers import LostProcess

DISCONNECTED: Final = (
    ErrorKind.REFUSED,
    ErrorKind.RESET,
    ErrorKind.NO_SOCKET,
    ErrorKind.UNREACHABLE,
    ErrorKind.NO_HTTP2,
    ErrorKind.TLS,
    ErrorKind.CERTIFICATE_EXPIRED,
    ErrorKind.CERTIFICATE_UNTRUSTED,
    ErrorKind.CERTIFICATE_NAME,
    ErrorKind.CLIENT_CERTIFICATE,
)
# Requests that leave together after a delay may overflow a server's queue of connections, which
# breaks some of them. But they are the smaller part: on time or late, most requests of a service
# that listens get a connection.
MOST: Final = 0.5


def disconnected(kinds: Mapping[str, int]) -> int:
    """Count the errors that a late generator does not cause: no connection, or a broken one.

    Not counted: timeouts, which the generator's own delay may cause, and idle connections that the
    server closed meanwhile.
    """
    return sum(kinds.get(kind, 0) for kind in DISCONNECTED)


def wrong_responses(kinds: Mapping[str, int]) -> int:
    """Count the responses that arrived whole and were not what the journey expects."""
    return sum(kinds.get(kind, 0) for kind in (ErrorKind.BAD_STATUS, ErrorKind.FAILED_CHECK))


@dataclass(frozen=True, slots=True)
class ValidityInput:
    """Everything that decides on the validity of a run.

    Attributes:
        requests: All completed requests of the main phase.
        abandoned: Requests that were in flight when the run ended; not recorded.
        rate_limited: Unexpected responses with status 429 among them.
        disconnected: Requests among them without a connection, or whose connection broke.
        wrong_responses: Requests among them whose response was not what the journey expects.
        failed: All errors.
        has_died: The load ended because no request got a response any more.
        without_socket: Requests among them for which this machine had no open file or local port.
        dropped: Arrivals that were never executed.
        start_delay_p99_ms: How late the first request of an arrival left, against its schedule.
        p95_ms: 95th percentile of the response time.
        loop_lag_p50_ms: Median lag of the generator's event loop.
        loop_lag_p99_ms: Its 99th percentile.
        cpu_share: CPU time of the busiest process of the generator, as a share of one core.
        lost: Processes that disappeared.
        unsent: Requests that they would have sent, compared with the other processes.
        interrupted: Why the run ended early; None if it did not.
        changes: What a user changed while it ran, in words.
        end_reason: Why it ended before its schedule, by intention; None if it did not.
        blocking_call: The own step that kept the event loop for the longest time, and that time in
            ms; None if none did for long.
        thread_queue_p99_ms: How long own steps waited for a thread.
        tear_down_failed: Requests of the tear-down that failed.
        not_torn_down: Users that did not come to their tear-down in time.
        setup_error: Why no load was sent; None if it was.
        setup_advice: What to do about that; empty if it is not known.
        users: Number of users that log in.
        accounts: Number of different accounts of these users.
        idle: Number of processes without a share of the load.
        processes: Number of processes with one.
        unavailable: What could not be observed, in sentences.
        throughput: The throughput, with the requests that do not count in it.
        endpoint_limit: Number of endpoint names after which further ones were counted together;
            0 if none were.
        closing_server: A server that closes the connection after each response, by design; empty
            for others.
        insecure: Certificates of the service were not checked.
        is_http1_instead: HTTP/2 was asked for, and the service chose HTTP/1.1.
    """

    requests: int = 0
    abandoned: int = 0
    rate_limited: int = 0
    disconnected: int = 0
    wrong_responses: int = 0
    failed: int = 0
    has_died: bool = False
    without_socket: int = 0
    dropped: int = 0
    start_delay_p99_ms: float = 0.0
    p95_ms: float | None = None
    loop_lag_p50_ms: float = 0.0
    loop_lag_p99_ms: float = 0.0
    cpu_share: float = 0.0
    lost: Sequence[LostProcess] = ()
    unsent: int = 0
    interrupted: str | None = None
    end_reason: str | None = None
    changes: Sequence[str] = ()
    blocking_call: tuple[str, float] | None = None
    thread_queue_p99_ms: float = 0.0
    tear_down_failed: int = 0
    not_torn_down: int = 0
    setup_error: str | None = None
    setup_advice: str = ""
    users: int = 0
    accounts: int = 0
    idle: int = 0
    processes: int = 1
    unavailable: Sequence[str] = field(default_factory=tuple)
    throughput: Throughput = field(default_factory=Throughput)
    endpoint_limit: int = 0
    closing_server: str = ""
    insecure: bool = False
    is_http1_instead: bool = False

    @property
    def is_down(self) -> bool:
        """The service does not serve, however late the generator was.

        Most connections failed, or no response at all was right: an overloaded service gives some
        right ones. A service that dies in the middle of the load has served many until then.
        """
        most = MOST * (self.failed if self.has_died else self.requests)
        none_is_right = 0 < self.requests == self.failed and self.wrong_responses > most
        return self.disconnected > most or none_is_right
