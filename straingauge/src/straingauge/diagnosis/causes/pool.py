"""The service's connection pool: too small, or drained by connections that are never returned."""

from dataclasses import replace
from itertools import pairwise

from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.database_time import limited, time_share
from straingauge.diagnosis.lock_waits import find_pool_wait
from straingauge.diagnosis.result_view import POOL_WORDS, ResultView
from straingauge.diagnosis.statement_endpoint import last_statements
from straingauge.number_text import count, plain

POOL = ("resources", "pool")
COOLDOWN = ("resources", "cooldown")
CONNECTIONS = ("resources", "database", "connections")
FORGOTTEN_S = 5.0  # a transaction that waits for nothing takes milliseconds
MIN_SAMPLES = 8
MOSTLY = 0.7  # of the samples
WAITING_PER_CONNECTION = 2.0  # requests in flight, of which one uses it
LEAST_SHARE = 0.2  # of the requests' time: some waiting is normal under load
LIKELY_SHARE = (0.35, 0.7)
MIN_OPENED = 30  # fewer are those of a pool that fills
SOME_REQUESTS, MOST_REQUESTS = 0.3, 0.8  # with fewer, a pool may close those beyond its size
OPENING_MS = 20.0  # at most, with TLS, on a machine that has a free core
MOST_UNMEASURED = 0.75
MIN_WAIT_MS = 5.0  # on average; a free connection is there within microseconds


@cause(
    title="each request opens a connection to the database",
    topics=("speed",),
    explains=("limited_concurrency", "slow_endpoint", "slow_start", "slow_tail"),
    charts=("database", "parts"),
    advice=(
        "keep connections open between requests: a pool that is created once (SQLAlchemy's engine,"
        " psycopg_pool, asyncpg.create_pool), CONN_MAX_AGE in Django, or PgBouncer",
    ),
)
def connection_per_request(result: ResultView) -> Evidence | None:
    """Detect about as many new connections to PostgreSQL as requests.

    For each one PostgreSQL starts a process and checks the password, which takes some milliseconds
    on an idle machine. How long it really took is not measured, so that the cause is never certain.
    """
    sessions = result.figure("resources", "database", "sessions")
    if sessions < max(MIN_OPENED, SOME_REQUESTS * result.requests) or not result.requests:
        return None
    share = time_share(result, sessions * OPENING_MS)
    confidence = limited(scale(sessions / result.requests, SOME_REQUESTS, MOST_REQUESTS), share)
    if not confidence:
        return None
    evidence = (
        count(sessions, "connection to PostgreSQL was", "connections to PostgreSQL were")
        + " opened"
        f" during {count(result.requests, 'request')}"
    )
    return Evidence(min(confidence, MOST_UNMEASURED), (evidence,))


@cause(
    title="the database connection pool is exhausted",
    topics=("speed",),
    explains=(
        "endpoint_errors",
        "freeze",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    charts=("pool", "parts"),
    advice=(
        'raise pool size and overflow (in the log: "QueuePool limit", "connection timeout"), within'
        " what the database allows for all processes together",
        "return connections before slow work that needs none (uploads, calls to other services)",
    ),
)
def pool_exhausted(result: ResultView) -> Evidence | None:
    """Detect a pool with all connections in use while requests wait for one, or time out.

    A timeout is certain evidence. Otherwise the share of slow requests' time spent waiting counts:
    some waiting under heavy load is normal, and no cause of anything. Each process has a pool, and
    the metrics are sums: a request that waits while not all connections are in use waits for the
    pool of its process. Without pool metrics, the profile and PostgreSQL show them.
    """
    size, peak = result.figure(*POOL, "size"), result.figure(*POOL, "peak_in_use")
    waiters, wait_ms = result.figure(*POOL, "peak_waiters"), result.figure(*POOL, "avg_wait_ms")
    timeouts, words = result.figure(*POOL, "timeouts"), result.error_matching(POOL_WORDS)
    share = result.part_share("pool")
    processes = max(result.figure("resources", "service", "processes", "peak"), 1.0)
    full = waiters > 0 and peak >= size / processes > 0 and wait_ms >= MIN_WAIT_MS
    if timeouts or (words and "pool" in words.lower()):
        confidence = 0.9
    elif share is not None:
        confidence = scale(share, *LIKELY_SHARE) if share >= LEAST_SHARE else 0.0
        confidence = confidence if full or not size else min(confidence, 0.4)
    else:
        confidence = scale(waiters / max(peak, 1), 5, 20) if full else 0.0
    if not confidence:
        found = _waits_in_profile(result) or _all_connections_busy(result)
        return found if result.at(*POOL) is None else None
    evidence = []
    if timeouts:
        evidence.append(f"{count(timeouts, 'request')} timed out waiting for a connection")
    if words:
        evidence.append(f"the errors say: {words}")
    if size:
        used = count(peak, "connection was", "connections were")
        used = f"all {used}" if peak >= size else used
        pools = f"size {size:,.0f}" + (
            f", {count(processes, 'process', 'processes')}" if processes > 1 else ""
        )
        evidence.append(
            f"{used} in use ({pools}), up to {count(waiters, 'request')} waited,"
            f" {plain(wait_ms, 3)} ms on average"
        )
    if share is not None:
        evidence.append(f"waiting for a connection takes {share:.0%} of the time of slow requests")
    return Evidence(confidence, tuple(evidence))


def _waits_in_profile(result: ResultView) -> Evidence | None:
    """Return evidence of requests that the profile shows to wait in the pool's library."""
    wait = find_pool_wait(result)
    if wait is None or wait.everywhere < LEAST_SHARE:
        return None
    at, peak = wait.location, result.figure(*CONNECTIONS, "peak")
    evidence = [
        f"waiting for a connection takes {wait.everywhere:.0%} of the time of requests in"
        f" {wait.snapshots} snapshots, most often in {at.function} ({at.file}:{at.line})"
    ]
    if peak:
        evidence.append(f"{count(peak, 'open connection')} to the database at most")
    return Evidence(scale(wait.everywhere, *LIKELY_SHARE), tuple(evidence), where=(at,))


def _all_connections_busy(result: ResultView) -> Evidence | None:
    """Return evidence of a pool that only PostgreSQL shows.

    All connections are in a statement or a transaction in most samples, their number does not
    rise, and far more requests are in flight.
    """
    connections = dict(result.samples("db_connections"))
    idle = dict(result.samples("db_idle_in_transaction"))
    used = [
        (connections[t_s], active + idle.get(t_s, 0.0))
        for t_s, active in result.samples("db_active")
        if t_s in connections and t_s <= result.duration_s
    ]
    if len(used) < MIN_SAMPLES:
        return None
    size = max(count for count, _ in used)
    full = sum(busy >= size for _, busy in used) / len(used)
    waiting = result.in_flight / size if size else 0.0
    if full < MOSTLY or waiting < WAITING_PER_CONNECTION:
        return None
    confidence = min(scale(waiting, WAITING_PER_CONNECTION, 3 * WAITING_PER_CONNECTION), 0.7)
    evidence = (
        f"all {count(size, 'connection')} to the database were in use in {full:.0%} of the samples,"
        f" while {count(result.in_flight, 'request was', 'requests were')} in flight on average",
    )
    return Evidence(confidence, evidence)


@cause(
    title="database connections are checked out and never returned",
    topics=("speed", "errors", "growth"),
    # A leaked connection is a socket and some memory, and it sits in a transaction; so does each
    # request that waits for it.
    explains=(
        "endpoint_errors",
        "file_leak",
        "freeze",
        "lock_contention",
        "memory_leak",
        "pool_exhausted",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    warns_from=0.85,
    charts=("pool", "database", "cooldown"),
    advice=(
        "open sessions in a context manager or a dependency that closes them on every path,"
        " including errors and cancelled requests",
        "set idle_in_transaction_session_timeout, so that PostgreSQL ends forgotten transactions",
    ),
)
def connections_leaked(result: ResultView) -> Evidence | None:
    """Detect connections that are still in use during the cooldown.

    Without requests only background work needs a connection, and it comes and goes. So more than
    one must be in use with no job waiting, or the whole pool. A rising minimum during the load adds
    confidence.
    """
    found = _transactions_left if result.at(*POOL) is None else _connections_in_use
    evidence = found(result)
    return evidence and replace(evidence, where=last_statements(result))


def _connections_in_use(result: ResultView) -> Evidence | None:
    kept = result.figure(*COOLDOWN, "pool_in_use")
    if not kept:
        return None
    minima = _quarterly_minima([value for _, value in result.samples("pool_in_use")])
    rising = bool(minima) and minima[-1] > minima[0] and all(a <= b for a, b in pairwise(minima))
    drained = kept >= max(result.figure(*POOL, "size"), 2)
    trend = result.figure(*POOL, "in_use_trend_per_1000_requests", "low") > 0
    waiting = result.number(*COOLDOWN, "jobs_waiting")
    working = result.figure("resources", "jobs", "waiting", "final") if waiting is None else waiting
    idle = result.figure(*COOLDOWN, "database_idle_in_transaction") >= kept
    confidence = 0.4
    if kept >= 2:
        confidence = 0.93 if rising or trend or drained else 0.87
        confidence = min(confidence, 0.6) if working and not drained else confidence
    elif idle and not working:
        confidence = 0.6
    evidence = [
        f"{count(kept, 'connection is', 'connections are')} in use after"
        f" {result.figure(*COOLDOWN, 'duration_s'):,.0f} s without requests"
    ]
    if rising:
        steps = ", ".join(f"{value:,.0f}" for value in minima)
        evidence.append(f"minimum in use in each quarter of the load: {steps}")
    if idle:
        evidence.append("in the database they are idle in a transaction")
    idle_s = result.figure(*CONNECTIONS, "idle_in_transaction_longest_s")
    if idle_s >= 1:
        evidence.append(f"a transaction was idle for {idle_s:,.0f} s in the database")
    return Evidence(confidence, tuple(evidence))


def _transactions_left(result: ResultView) -> Evidence | None:
    """Detect connections that stay in a transaction, for a service without pool metrics.

    A transaction that is open for seconds without a request is forgotten: background work ends its
    transactions, or has had as many before the load.
    """
    minima = _quarterly_minima([value for _, value in result.samples("db_idle_in_transaction")])
    before = next((value for _, value in result.samples("db_idle_in_transaction")), 0.0)
    kept = result.figure(*COOLDOWN, "database_idle_in_transaction") - before
    if kept <= 0:
        return None
    idle_s = result.figure(*COOLDOWN, "database_idle_in_transaction_s")
    rising = bool(minima) and minima[-1] > minima[0] and all(a <= b for a, b in pairwise(minima))
    confidence = 0.4
    if kept >= 2:
        confidence = 0.87 if rising or idle_s >= FORGOTTEN_S else 0.6
    evidence = [
        f"{count(kept, 'connection is', 'connections are')} idle in a transaction after"
        f" {result.figure(*COOLDOWN, 'duration_s'):,.0f} s without requests,"
        f" the longest for {idle_s:,.0f} s"
    ]
    if rising:
        steps = ", ".join(f"{value:,.0f}" for value in minima)
        evidence.append(f"minimum in each quarter of the load: {steps}")
    return Evidence(confidence, tuple(evidence))


def _quarterly_minima(values: list[float]) -> list[float]:
    """Return the minimum of each quarter; empty for too few samples."""
    quarter = len(values) // 4
    if quarter < 2:
        return []
    return [min(values[i * quarter : (i + 1) * quarter]) for i in range(4)]
