"""A service that works on a few requests at a time, although nothing in it is busy."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from straingauge.diagnosis.cause import LIKELY, Evidence, cause, scale
from straingauge.diagnosis.cpu_wait import usable_cpus, utilization
from straingauge.diagnosis.lock_waits import LockWait, find_lock_wait
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count

SERVICE = ("resources", "service")
MACHINE = ("resources", "machine")
MIN_IN_FLIGHT = 4.0  # fewer would not need to wait for each other
WAITING = 3.0  # times the work, by Little's law
ALWAYS_BUSY = 0.5  # requests that are served on average, at least
NOTABLE = 0.1  # of the longest queue: the times of a much shorter one say little about the whole
NARROW, WIDE = 1.5, 3.0  # p95 by p50: of a queue, and of a queue without order
# Of the snapshots: a lock for which a request waits at most instants is always held, so that it
# limits the throughput (utilization law).
CONTENDED, ALWAYS_CONTENDED = 0.5, 0.9
LOCKED, MOSTLY_LOCKED = 0.1, 0.3  # of the requests' time: a tenth may exceed a threshold
BACKLOG = 0.05  # of the arrivals: a smaller one is within the precision of the trend
CLOSED = ("constantusers", "waves")  # schedules that wait for responses
IDLE_PERCENT, FULL_PERCENT = 50.0, 85.0  # of one core, by one process
FAIR_PERCENT = 25.0  # on a full machine: one that wants more gets more, unless many compete
MIN_DATABASE_SHARE = 0.5  # of the response time
UNKNOWN_LIMITS = (
    "a CPU limit of the service's container looks the same: compare nr_throttled of its"
    " cpu.stat before and after the load"
)


@cause(
    title="the service works on a few requests at a time",
    topics=("speed", "trend"),
    explains=(
        "freeze",
        "generator_saturated",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    # Each of them limits the requests at a time as well, and is visible by itself.
    explained_by=(
        "cpu_bound",
        "event_loop_blocked",
        "lock_contention",
        "missing_index",
        "n_plus_one",
        "noisy_neighbour",
        "pool_exhausted",
        "slow_statement",
    ),
    code=("occupying", "waiting"),
    charts=("latency", "cpu", "profile"),
    advice=(
        "look for what lets few requests in: a lock or semaphore, a single worker thread,"
        " a blocking call in an event loop, a limit of connections to another service",
        "repeat with half the users: if the throughput stays and the times halve, it is such a"
        " limit; if the times stay, each request takes that long by itself",
    ),
)
def limited_concurrency(result: ResultView) -> Evidence | None:
    """Detect requests that wait for each other while CPU, pool and database are idle.

    By Little's law (L = X * W; Operations Research 9, 1961) the requests in flight are throughput
    times response time; throughput times the shortest time, which is the work without waiting, are
    those being served. If ten are in flight, one is always being served, and all take about as
    long, the other nine wait in a queue. In an open schedule the queue grows for as long as fewer
    are completed than arrive. Where the profile shows requests at a lock at most instants, this
    is the queue, however short.
    """
    if result.fails_mostly or "generator_saturated" in result.reasons:
        return None
    lock = find_lock_wait(result)
    found = (_backlog(result), _queue(result), _contention(lock))
    queues = [each for each in found if each is not None]
    busy = _busy(result)
    if not queues or busy is None:
        return None
    confidence = max(confidence for confidence, _ in queues)
    evidence = [sentence for _, sentence in sorted(queues, reverse=True)]
    most, idle = busy
    return Evidence(
        min(confidence, most),
        (*evidence, idle, *_not_accepted(result)),
        advice=() if result.table(*SERVICE, "limits") else (UNKNOWN_LIMITS,),
        where=(lock.location,) if lock is not None and _contention(lock) else (),
    )


def _contention(wait: LockWait | None) -> tuple[float, str] | None:
    """Return confidence and evidence if requests wait at a lock at most instants."""
    if wait is None:
        return None
    confidence = min(
        scale(wait.contended, CONTENDED, ALWAYS_CONTENDED),
        scale(wait.share, LOCKED, MOSTLY_LOCKED),
    )
    if confidence < LIKELY:
        return None
    at = wait.location
    evidence = (
        f"in {wait.contended:.0%} of {wait.snapshots} snapshots requests waited for a lock or"
        f" semaphore in {at.function} ({at.file}:{at.line}), for {wait.share:.0%} of the time of"
        " all requests"
    )
    return confidence, evidence


def _not_accepted(result: ResultView) -> tuple[str, ...]:
    """Describe connections that the service had not accepted, if there were any for long."""
    queue = [waiting for _, waiting in result.samples("accept_queue")]
    if not queue or statistics.median(queue) < 1:
        return ()
    return (
        f"up to {count(max(queue), 'connection')} waited to be accepted,"
        f" {statistics.median(queue):,.0f} or more in half of the samples: all workers of the"
        " server were in use",
    )


@dataclass(frozen=True, slots=True)
class _Queue:
    """Requests of one endpoint that wait, by Little's law.

    Attributes:
        endpoint: Its name.
        in_flight: Requests in flight on average.
        served: Those that would be if none waited.
        width: p95 by p50 of the service time.
    """

    endpoint: str
    in_flight: float
    served: float
    width: float


def _queue(result: ResultView) -> tuple[float, str] | None:
    """Return confidence and evidence if most requests in flight wait."""
    queues = [
        queue
        for name, each in result.endpoints.items()
        if (queue := _queue_at(name, each, result.duration_s)) is not None
    ]
    in_flight, served = sum(each.in_flight for each in queues), sum(each.served for each in queues)
    if in_flight < MIN_IN_FLIGHT or served < ALWAYS_BUSY or in_flight < WAITING * served:
        return None
    longest = max(each.in_flight for each in queues)
    main = [each for each in queues if each.in_flight >= NOTABLE * longest]
    widest = max(each.width for each in main)
    if widest > WIDE:
        return None  # a tail: most do not wait
    if widest > NARROW and _grows(result):
        return None  # times that rise are as far apart
    names = ", ".join(each.endpoint for each in main[:3])
    evidence = (
        f"{count(in_flight, 'request was', 'requests were')} in flight on average, of which about"
        f" {max(served, 1):,.0f} at a time were served (Little's law): {names}"
    )
    return (0.75 if widest <= NARROW else 0.45), evidence  # the work itself may vary


def _queue_at(name: str, endpoint: Mapping[str, Any], duration_s: float) -> _Queue | None:
    """Return the requests of an endpoint; None if they do not wait for each other."""
    avg_ms, shortest_ms, p50_ms, p95_ms = (
        number(endpoint, "service_time_ms", key) or 0.0 for key in ("avg", "min", "p50", "p95")
    )
    if not (duration_s and shortest_ms and p50_ms) or avg_ms < WAITING * shortest_ms:
        return None
    per_ms = (number(endpoint, "total_requests") or 0.0) / duration_s / 1000
    width = max(1.0, p95_ms / p50_ms)
    return _Queue(name, in_flight=per_ms * avg_ms, served=per_ms * shortest_ms, width=width)


def _grows(result: ResultView) -> bool:
    """Return whether response times rise over the load, by the whole interval of their trend."""
    return result.figure("metrics", "degradation", "low_percent_per_minute") > 0


def _backlog(result: ResultView) -> tuple[float, str] | None:
    """Return confidence and evidence if an open schedule sends more than is completed."""
    kind = str(result.at("configuration", "schedule", "kind") or "")
    if kind in CLOSED or not kind or not result.duration_s:
        return None
    percent = result.figure("metrics", "degradation", "low_percent_per_minute")
    typical_s = result.figure("metrics", "latency_ms", "p50") / 1000
    # A request that starts 1 s later ends 1 + growth s later.
    growth = percent / 100 * typical_s / 60
    if growth < BACKLOG:
        return None
    rate = _arrival_rate(result)
    evidence = (
        f"requests arrived at {rate:,.0f}/s and were completed at {rate / (1 + growth):,.0f}/s:"
        " each"
        f" second the response time rose by {1000 * growth:,.0f} ms"
    )
    return 0.75, evidence


def _arrival_rate(result: ResultView) -> float:
    """Return the requests per second, by their intended starts."""
    rows = result.rows("intervals")
    ends_s = [(number(r, "start_s") or 0.0) + (number(r, "duration_s") or 0.0) for r in rows]
    if not any(ends_s):
        return result.requests / result.duration_s
    return sum(number(row, "requests") or 0.0 for row in rows) / max(ends_s)


def _busy(result: ResultView) -> tuple[float, str] | None:
    """Return the highest confidence and what was idle; None if the CPU was full."""
    cpus = usable_cpus(result)
    own = result.number(*SERVICE, "cpu_percent", "avg")
    if own is None:
        return 0.5, "the CPU of the service was not observed"
    if own >= FULL_PERCENT * cpus:
        return None
    idle = f"the service used {own:,.0f} % of a core meanwhile"
    if 100 * utilization(result) > IDLE_PERCENT:  # ready to run is not idle
        return 0.45, f"{idle}, and its busiest thread ran or waited for a CPU most of the time"
    database = result.part_share("db") or 0.0
    all_, cores = result.figure(*MACHINE, "cpu_percent", "avg"), result.figure(*MACHINE, "cores")
    full = bool(cores) and all_ >= FULL_PERCENT * cores
    wanted = IDLE_PERCENT if not full else FAIR_PERCENT
    if own > wanted * cpus or database >= MIN_DATABASE_SHARE:
        return 0.45, idle
    return 0.95, idle
