"""Other services that the service waits for."""

from dataclasses import replace

from straingauge.diagnosis.cause import LIKELY, Evidence, cause, scale
from straingauge.diagnosis.location import CallLocation
from straingauge.diagnosis.outgoing_calls import (
    MOST_FROM_OUTSIDE,
    NEGLIGIBLE,
    are_short,
    calls_of,
    evidence_of_waits,
    share_of_calls,
    sole_caller,
)
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.traced_calls import repeated_call_in_traces, slow_call_in_traces
from straingauge.number_text import count

# A request needs another service once or a few times, as for statements of the database.
REPEATED, SURELY_REPEATED = 5.0, 12.0
# Of the time of all requests: each call also costs time of the service before and after its wait.
HALF = 0.5


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
    outside = evidence_of_waits(result, calls_of(result, lookups=False), "calls")
    inside = slow_call_in_traces(result)
    if outside is None or inside is None:
        return inside or outside
    confidence = max(inside.confidence, outside.confidence)
    return replace(inside, confidence=confidence, sentences=inside.sentences + outside.sentences)


@cause(
    title="the service waits for look-ups of host names",
    topics=("speed",),
    explains=(
        "endpoint_errors",
        "event_loop_blocked",  # the resolver of the C library blocks its thread
        "freeze",
        "limited_concurrency",
        "pool_exhausted",
        "slow_dependency",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    charts=("slowest", "latency"),
    advice=(
        "look at /etc/resolv.conf: a first name server that does not answer costs 5 s for each"
        " name, and search domains (ndots) several look-ups",
        "keep connections to other services open, so that few names are looked up, or run a cache"
        " of names on the machine",
    ),
)
def slow_dns(result: ResultView) -> Evidence | None:
    """Detect look-ups of host names that account for much of the response time, from outside.

    A look-up has a socket to port 53 from its question to its answer.
    """
    if result.fails_mostly:
        return None
    return evidence_of_waits(result, calls_of(result, lookups=True), "look-ups of host names")


@cause(
    title="each request calls another service many times",
    topics=("speed",),
    explains=(
        "freeze",
        "limited_concurrency",
        "slow_dependency",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    charts=("traces", "slowest", "latency"),
    advice=(
        "ask for all objects in one call (a list of ids, a batch or bulk endpoint), or send the"
        " calls at the same time; cache what rarely changes",
    ),
)
def repeated_calls(result: ResultView) -> Evidence | None:
    """Detect an N+1 of calls: by traces, or by the short segments that the service exchanges.

    A request without a body and its response are at least one segment each. Long bodies are cut
    into full segments, so these prove nothing.
    """
    if result.fails_mostly:
        return None
    traced = repeated_call_in_traces(result, REPEATED, SURELY_REPEATED)
    return traced or _repeated_from_outside(result)


def _repeated_from_outside(result: ResultView) -> Evidence | None:
    rows = [row for row in calls_of(result, lookups=False) if are_short(row)]
    if not rows or not result.requests:
        return None
    most = max(rows, key=lambda row: number(row, "exchanges") or 0.0)
    exchanges = number(most, "exchanges") or 0.0
    caller, share = sole_caller(result, most), share_of_calls(result, most)
    per_request = caller.times if caller else exchanges / result.requests
    requests = caller.requests if caller else result.requests
    confidence = min(scale(per_request, REPEATED, SURELY_REPEATED), scale(share, NEGLIGIBLE, HALF))
    if per_request < REPEATED or confidence < LIKELY:
        return None
    host, program = str(most.get("host")), most.get("program")
    named = f"{host} ({program})" if program else host
    evidence = (
        f"{exchanges:,.0f} exchanges with {named} for {count(requests, 'request')}"
        f"{f' of {caller.name}' if caller else ''}, about {per_request:.0f} for each; they take"
        f" {min(share, 1):.0%} of the time of all requests (Little's law)",
    )
    where = (CallLocation(host, caller.name if caller else None),)
    return Evidence(min(confidence, MOST_FROM_OUTSIDE), evidence, where=where)


@cause(
    title="failed calls to another service are repeated",
    topics=("speed", "errors"),
    explains=(
        "endpoint_errors",
        "freeze",
        "limited_concurrency",
        "repeated_calls",
        "slow_dependency",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    charts=("traces", "errors", "latency"),
    advice=(
        "find out why the calls fail; repetitions multiply the load of a service in trouble",
        "repeat once, after a pause with a random part (exponential back-off with jitter), within a"
        " budget of a few percent of all calls, and only what may be sent twice",
    ),
)
def retry_storm(result: ResultView) -> Evidence | None:
    """Detect calls of which most fail and are sent again in the same request, by traces."""
    return repeated_call_in_traces(result, 2.0, 3.0, failed=True)
