"""Other services that the service waits for."""

from dataclasses import replace

from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.location import CallLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.traced_calls import slow_call_in_traces

SERVICE = ("resources", "service")
MIN_SAMPLES = 5  # with a waiting call; fewer are chance
# Of the time of all requests: less than a tenth exceeds no threshold, a third may.
NEGLIGIBLE, LIKELY, CERTAIN = 0.1, 0.3, 0.7
MOST_FROM_OUTSIDE = 0.75  # an open connection does not show which request waits for it
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
    confidence = min(scale(share, LIKELY, CERTAIN), MOST_FROM_OUTSIDE)
    if share < NEGLIGIBLE:
        return None
    if share > UNRELATED or call_ms > UNRELATED * longest_ms:
        confidence = min(confidence, 0.4)
    host, program = str(worst.get("host")), worst.get("program")
    named = f"{host} ({program})" if program else host
    evidence = (
        f"{waiting:.1f} calls to {named} waited for a response on average, while {in_flight:.1f}"
        f" requests were in flight: {min(share, 1):.0%} of their time (Little's law)",
        f"the longest call seen took {call_ms:.0f} ms or more",
    )
    return Evidence(confidence, evidence, where=(CallLocation(host),))
