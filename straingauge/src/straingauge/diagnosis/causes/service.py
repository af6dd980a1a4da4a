"""The service's processes: their CPU, restarts, connections and background jobs."""

from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.causes.errors import BROKEN, IDLE_CLOSED, NOT_OPENED
from straingauge.diagnosis.code_lines import busiest_function_share
from straingauge.diagnosis.cpu_wait import MOST_BUSY, usable_cpus, utilization
from straingauge.diagnosis.onset import first_increase_s
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.without_waits import sends_without_pause
from straingauge.number_text import count, plain
from straingauge.observe.runtime import CLOSING_SERVERS

SERVICE = ("resources", "service")
MACHINE_CPU = ("resources", "machine", "cpu_percent", "avg")
CORES = ("resources", "machine", "cores")
CORE_FULL_PERCENT = 85.0  # of one core, by one process
COMPUTING_PERCENT = 60.0  # of one core: most of the time in flight, by Little's law
EXPENSIVE_CPU_MS = 10.0  # of CPU time per request; most services need a few
# Kinds of errors; a proxy makes 502 of them (RFC 9110, section 15.6.3).
BROKEN_BY_RESTARTS = (*BROKEN, *NOT_OPENED, IDLE_CLOSED, "short_body")
QUEUED = 0.8  # share of the median response time in which no code works on the request
NOTICEABLE_MS = 100.0
JOBS_SLOWED = 0.7  # of all cores on average: then there are moments without a free one
JOBS_START_S = 10.0  # after which a worker should have done a job
MIN_REQUESTS = 30  # for a statement about an endpoint's tail
KEEP_ALIVE_S = 1.5  # at least, for any server that keeps connections open


@cause(
    title="the service is out of CPU",
    topics=("speed",),
    # Code that computes blocks the event loop, and a blocked loop delays every request.
    explains=(
        "endpoint_errors",
        "event_loop_blocked",
        "freeze",
        "pool_exhausted",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    code=("running",),
    charts=("cpu", "profile", "latency"),
    advice=(
        "profile the service under this load and take the most expensive work out of the request",
        "run one worker process per core, or more machines",
    ),
)
def cpu_bound(result: ResultView) -> Evidence | None:
    """Detect processes that use all the CPU they can, and much per request.

    A Python process computes on one core. Any load sent as fast as it is answered fills it; so it
    is a cause only where a request is expensive, by CPU time divided by requests, or where half of
    the requests or more spend nearly all of their time in a queue. A process that also waits for a
    database is not full all the time; if its profile shows one function, that is what requests
    queue for. One that ran or waited for a CPU all the time, and ran for most of it, is full as
    well, if users send the next request at once: without other programs it would compute more.
    """
    busy, cpus = result.figure(*SERVICE, "cpu_percent", "avg"), usable_cpus(result)
    cpu_ms = 10 * busy * result.duration_s / result.requests if result.requests else 0.0
    app_ms = result.figure("metrics", "server_timing", "parts", "app", "p50_ms")
    waited = result.figure(*SERVICE, "cpu_wait_percent", "avg")
    shared = busy >= waited > 0 and utilization(result) >= MOST_BUSY and sends_without_pause(result)
    full = busy >= CORE_FULL_PERCENT * cpus or shared
    computing = app_ms >= EXPENSIVE_CPU_MS and cpu_ms >= 0.6 * app_ms
    computing |= busy >= COMPUTING_PERCENT * cpus and busiest_function_share(result) >= 0.5
    if not full and not computing:
        return None
    expensive = scale(cpu_ms, EXPENSIVE_CPU_MS, 3 * EXPENSIVE_CPU_MS)
    typical_ms = result.figure("metrics", "latency_ms", "p50")
    queue_ms = result.figure("metrics", "server_timing", "parts", "unattributed", "p50_ms")
    queued = full and queue_ms >= max(QUEUED * typical_ms, NOTICEABLE_MS)
    confidence = max(expensive, 0.85 if queued else 0.4) if full else min(expensive, 0.8)
    if shared and busy < CORE_FULL_PERCENT * cpus:
        confidence = min(confidence, 0.75)
    unaffected = _unaffected(result, busy * result.duration_s / 100)
    if unaffected is not None:
        confidence = min(confidence, 0.4)
    processes = max(result.figure(*SERVICE, "processes", "peak"), 1.0)
    evidence = [
        f"{count(processes, 'serving process', 'serving processes')} used {busy:,.0f} % of a core"
        " on"
        f" average, {plain(cpu_ms, 3)}"
        " ms of CPU per request"
    ]
    if queued:
        evidence.append(
            f"half of all requests waited {queue_ms:.0f} ms or more before the application started"
        )
    elif app_ms:
        evidence.append(f"half of all requests spent {app_ms:.1f} ms or more in the application")
    if unaffected is not None:
        evidence.append(unaffected)
    return Evidence(confidence, tuple(evidence))


@cause(
    title="processes of the service ended or started during the load",
    topics=("errors",),
    explains=("connection_resets", "endpoint_errors", "slow_start", "unreachable"),
    charts=("handles", "rate"),
    advice=(
        "if it was no deliberate deployment, look for what ended the process: exit codes, dmesg"
        " (out of memory), the supervisor's log",
    ),
)
def service_restarted(result: ResultView) -> Evidence | None:
    """Detect processes that ended; with low confidence, since a graceful restart is no fault.

    It accounts for failures only together with broken connections.
    """
    born, died = (result.figure(*SERVICE, "restarts", key) for key in ("started", "exited"))
    if not died:
        return None
    broken = sum(result.errors.get(kind, 0) for kind in BROKEN_BY_RESTARTS)
    gateway = result.figure("status_codes", "502")
    ended = count(died, "process", "processes")
    evidence = f"{ended} ended and {born:,.0f} started during the load"
    if broken:
        onset_s = first_increase_s(result, "processes_exited")
        return Evidence(0.7, (evidence, f"{count(broken, 'connection')} broke"), onset_s=onset_s)
    if gateway:
        return Evidence(0.6, (evidence, f"a proxy answered {count(gateway, 'request')} with 502"))
    return Evidence(0.3, (evidence, "no connection broke"))


@cause(
    title="the service closes the connection after each response",
    topics=("speed", "errors"),
    explains=("connection_resets", "unreachable"),
    warns_from=0.85,
    charts=("parts", "latency"),
    advice=(
        "keep connections open (HTTP/1.1's default): look for `Connection: close` in middleware or"
        " proxy, and at the server's keep-alive timeout",
    ),
)
def keep_alive_off(result: ResultView) -> Evidence | None:
    """Detect far more opened connections than users; no fault of a server without keep-alive.

    The generator keeps one connection per user and opens another only after the server closed it;
    HTTP/1.1 servers keep connections open by default (RFC 9112, section 9.3). They may close them
    after some idle seconds (the shortest defaults are 2 to 5 s), so users that return later than
    that prove nothing.
    """
    processes = result.table("resources", "generator", "processes")
    opened = sum(number(processes, name, "connections") or 0 for name in processes)
    sent = sum(number(processes, name, "sent") or 0 for name in processes)
    users = result.number("configuration", "users")
    broken = sum(result.errors.values())
    ended = result.table("metrics", "streams", "ended")
    broken += sum(number(ended, name) or 0 for name in ("limit", "load_end"))  # by the test
    broken += result.number("metrics", "websockets", "websockets") or 0
    other_policy = result.at("configuration", "connections") not in (None, "per-user")
    if users is None or other_policy or sent < 50 or opened - broken <= 2 * users:
        return None
    if users * result.duration_s / sent > KEEP_ALIVE_S:
        return None
    share = (opened - broken) / sent
    server = result.at(*SERVICE, "runtime", "server")
    if server in CLOSING_SERVERS:
        evidence = f"{server} closes the connection after each response, by design"
        advice = "use a server, or a kind of worker, that keeps connections open, or a proxy"
        return Evidence(min(scale(share, 0.3, 0.8), 0.5), (evidence,), (advice,))
    evidence = (
        f"{count(opened, 'connection was', 'connections were')} opened for"
        f" {count(sent, 'request')} of {count(users, 'user')}"
    )
    return Evidence(scale(share, 0.3, 0.8), (evidence,))


@cause(
    title="background jobs are queued and not processed",
    topics=("data",),  # a request does not wait for jobs
    explained_by=(
        "connections_leaked",
        "cpu_bound",
        "event_loop_blocked",
        "lock_contention",
        "noisy_neighbour",
        "pool_exhausted",
        "service_restarted",
    ),
    warns_from=0.85,
    charts=("jobs",),
    advice=(
        "check that the job worker runs, reaches its queue and logs no errors; add workers if it"
        " only lags behind",
    ),
)
def jobs_not_draining(result: ResultView) -> Evidence | None:
    """Detect a job queue that grew while few or no jobs were done.

    A queue that lags behind a burst and then catches up works; one that has time and does nothing
    does not.
    """
    jobs = ("resources", "jobs")
    done = result.number(*jobs, "done")
    initial, final = (result.number(*jobs, "waiting", key) for key in ("initial", "final"))
    if done is None or initial is None or final is None or final - initial < 3:
        return None
    queued = final - initial + done
    confidence = 0.9 if not done else scale((final - initial) / queued, 0.5, 1.1)
    observed_s = result.duration_s + result.figure("resources", "cooldown", "duration_s")
    if observed_s < JOBS_START_S:
        confidence = min(confidence, 0.6)
    used, cores = (result.figure(*path) for path in (MACHINE_CPU, CORES))
    if cores and done and used >= JOBS_SLOWED * 100 * cores:
        confidence = min(confidence, 0.6)  # jobs compute, and may only have waited for the CPU
    evidence = (
        f"{count(final, 'job waits', 'jobs wait')} at the end, {initial:,.0f} at the start;"
        f" {done:,.0f} done"
    )
    return Evidence(confidence, (evidence,)) if confidence >= 0.3 else None


def _unaffected(result: ResultView, cpu_s: float) -> str | None:
    """Describe an endpoint that stays fast while another waits for longer than the CPU was busy.

    A queue for the CPU delays all requests of a process alike, and computing for 10 s takes 10 s of
    CPU time: an endpoint that is slow for more than that waits for something else. None if the CPU
    can explain the slow endpoint.
    """
    busy = {
        name: (number(each, "latency_ms", "p50") or 0.0, number(each, "latency_ms", "p95"))
        for name, each in result.endpoints.items()
        if (number(each, "total_requests") or 0) >= MIN_REQUESTS
    }
    fast = {name: p95 for name, (_, p95) in busy.items() if p95 and p95 < NOTICEABLE_MS}
    for name, each in result.endpoints.items():
        typical_ms = number(each, "latency_ms", "p50") or 0.0
        waited_s = typical_ms / 1000 * (number(each, "total_requests") or 0.0)
        if fast and typical_ms >= 10 * NOTICEABLE_MS and waited_s > 2 * cpu_s:
            other = max(fast, key=lambda one: fast[one])
            return (
                f"{name} took {typical_ms:.0f} ms, but 95 % of {other} less than"
                f" {fast[other]:.0f} ms: a queue for the CPU would delay both"
            )
    return None
