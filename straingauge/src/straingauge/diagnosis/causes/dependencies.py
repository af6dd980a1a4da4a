"""Other services that the service waits for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.cpu_wait import utilization
from straingauge.diagnosis.location import CallLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.traced_calls import slow_call_in_traces

SERVICE = ("resources", "service")
MIN_SAMPLES = 5  # with a waiting call; fewer are chance
# Of the time of all requests: less than a tenth exceeds no threshold, a third may.
NEGLIGIBLE, LIKELY, CERTAIN = 0.1, 0.3, 0.7
MOST_FROM_OUTSIDE = 0.75  # an open connection does not show which request waits for it
MANY_SAMPLES = 10  # with one call each: by chance, some would have two
QUEUED = 2.0  # requests in flight for each process
OCCUPIED = 0.7  # of the time: then most requests meet another one and wait
OVERLAP = "let calls overlap: an asynchronous client in an event loop, or more worker threads"
UNRELATED = 1.3  # times the time of all requests, or of the longest: calls of background work


@cause(
    title="the service waits for another service",
    topics=("speed",),
    explains=(
        "endpoint_errors",
        "freeze",  # while all workers wait for the other service
        "limited_concurrency",
        "pool_exhausted",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    charts=("traces", "slowest", "latency"),
    advice=(
        "measure the other service by itself; set a timeout for the call, and keep the response or"
        " make the call after the request where that is possible",
    ),
)
def slow_dependency(result: ResultView) -> Evidence | None:
    """Detect outgoing calls that account for much of the response time, by traces or from outside.

    Traces show which endpoint waits for which host, so they are the stronger evidence.
    """
    if result.fails_mostly:
        return None
    outside, inside = _from_outside(result), slow_call_in_traces(result)
    if outside is None or inside is None:
        return inside or outside
    confidence = max(inside.confidence, outside.confidence)
    return replace(inside, confidence=confidence, sentences=inside.sentences + outside.sentences)


def _from_outside(result: ResultView) -> Evidence | None:
    """Return evidence by the connections on which the service waits.

    By Little's law the mean number of requests in flight is their rate times their time, and that
    of calls is as well. The ratio of both is the share of the requests' time that passes in calls.
    The observer counts the calls in each sample: connections on which the service sent data and has
    received nothing since. Connections to clients and to PostgreSQL do not count.
    """
    in_flight = result.in_flight
    longest_ms = result.figure("metrics", "latency_ms", "max")
    rows = result.rows(*SERVICE, "calls")
    calls = [row for row in rows if (number(row, "samples") or 0) >= MIN_SAMPLES]
    if not in_flight or not calls:
        return None
    worst = max(calls, key=lambda row: number(row, "waiting_avg") or 0.0)
    idle = result.figure("resources", "cooldown", "calls_waiting")
    waiting, call_ms = (number(worst, key) or 0.0 for key in ("waiting_avg", "longest_ms"))
    share = max(waiting - idle, 0.0) / in_flight
    serial = None if idle else _one_at_a_time(result, worst)
    if share < NEGLIGIBLE and serial is None:
        return None
    confidence = min(max(scale(share, LIKELY, CERTAIN), serial or 0.0), MOST_FROM_OUTSIDE)
    if share > UNRELATED or call_ms > UNRELATED * longest_ms:
        confidence = min(confidence, 0.4)
    host, program = str(worst.get("host")), worst.get("program")
    named = f"{host} ({program})" if program else host
    evidence = [
        f"{waiting:.1f} calls to {named} waited for a response on average, while {in_flight:.1f}"
        f" requests were in flight: {min(share, 1):.0%} of their time (Little's law)",
        f"the longest call seen took {call_ms:.0f} ms or more",
    ]
    if serial is None:
        return Evidence(confidence, tuple(evidence), where=(CallLocation(host),))
    evidence.append("calls never overlapped: each request waits for the calls of those before it")
    return Evidence(confidence, tuple(evidence), (OVERLAP,), (CallLocation(host),))


def _one_at_a_time(result: ResultView, calls: Mapping[str, Any]) -> float | None:
    """Return a confidence if calls never overlap and keep the service from other requests.

    Independent requests, of which several are in flight, would often call at once. If each process
    has one call at most, and is waiting for it, running or ready to run nearly all the time, it
    serves one request at a time: a blocking call in an event loop, one worker, or a lock around the
    call. The whole response time is then that queue, to the extent that it consists of calls.
    """
    processes = max(result.figure(*SERVICE, "processes", "peak"), 1.0)
    waiting, peak, samples = (
        number(calls, key) or 0.0 for key in ("waiting_avg", "waiting_peak", "samples")
    )
    running = utilization(result) * processes
    is_serial = peak <= processes and samples >= MANY_SAMPLES
    if not is_serial or result.in_flight < QUEUED * processes:
        return None
    if waiting + running < OCCUPIED * processes:
        return None
    return scale(waiting / (waiting + running), LIKELY, CERTAIN)
