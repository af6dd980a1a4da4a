"""The share of the response time that passes in calls of the service, seen from outside."""

from collections.abc import Mapping
from typing import Any, Final

from straingauge.diagnosis.call_counts import SoleEndpoint, sole_endpoint
from straingauge.diagnosis.cause import Evidence, scale
from straingauge.diagnosis.cpu_wait import utilization
from straingauge.diagnosis.location import CallLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import plain

SERVICE: Final = ("resources", "service")
MIN_SAMPLES: Final = 5  # with a waiting call; fewer are chance
# Of the time of all requests: less than a tenth exceeds no threshold, a third may.
NEGLIGIBLE: Final = 0.1
LIKELY: Final = 0.3
CERTAIN: Final = 0.7
MOST_FROM_OUTSIDE: Final = 0.75  # an open connection does not show which request waits for it
MANY_SAMPLES: Final = 10  # with one call each: by chance, some would have two
QUEUED: Final = 2.0  # requests in flight for each process
OCCUPIED: Final = 0.7  # of the time: then most requests meet another one and wait
OVERLAP: Final = (
    "let calls overlap: an asynchronous client in an event loop, or more worker threads"
)
UNRELATED: Final = 1.3  # times the time of all requests, or of the longest: background work
ONE_SEGMENT_BYTES: Final = 1_400  # more than a request without a body, less than an Ethernet frame
_NAME_SERVER: Final = ":53"


def calls_of(result: ResultView, *, lookups: bool) -> list[Mapping[str, Any]]:
    """Return the hosts that the service waited for, or the servers of its name look-ups."""
    return [
        row
        for row in result.rows(*SERVICE, "calls")
        if str(row.get("host")).endswith(_NAME_SERVER) is lookups
    ]


def share_of_calls(result: ResultView, calls: Mapping[str, Any]) -> float:
    """Return the share of the requests' time that passes in calls to one host (Little's law)."""
    idle = result.figure("resources", "cooldown", "calls_waiting")
    waiting = number(calls, "waiting_avg") or 0.0
    return max(waiting - idle, 0.0) / result.in_flight if result.in_flight else 0.0


def sole_caller(result: ResultView, calls: Mapping[str, Any]) -> SoleEndpoint | None:
    """Return the only endpoint whose requests account for the exchanges with a host, if one does.

    A request without a body and its response are one segment each, if they are short. Long bodies
    are cut into full segments, so their number proves nothing.
    """
    return sole_endpoint(result, number(calls, "exchanges") or 0.0) if are_short(calls) else None


def are_short(calls: Mapping[str, Any]) -> bool:
    """Return whether the service sent what fits into one segment for each exchange with a host."""
    exchanges, sent_bytes = (number(calls, key) or 0.0 for key in ("exchanges", "sent_bytes"))
    return bool(exchanges) and sent_bytes / exchanges <= ONE_SEGMENT_BYTES


def evidence_of_waits(
    result: ResultView, rows: list[Mapping[str, Any]], noun: str
) -> Evidence | None:
    """Return evidence by the connections on which the service waits.

    By Little's law the mean number of requests in flight is their rate times their time, and that
    of calls is as well. The ratio of both is the share of the requests' time that passes in calls.
    The observer counts the calls in each sample: connections on which the service sent data and has
    received nothing since. Connections to clients and to PostgreSQL do not count.

    Args:
        result: The result.
        rows: Calls, by host.
        noun: What they are, in the plural.
    """
    longest_ms = result.figure("metrics", "latency_ms", "max")
    calls = [row for row in rows if (number(row, "samples") or 0) >= MIN_SAMPLES]
    if not result.in_flight or not calls:
        return None
    worst = max(calls, key=lambda row: number(row, "waiting_avg") or 0.0)
    waiting, call_ms = (number(worst, key) or 0.0 for key in ("waiting_avg", "longest_ms"))
    share = share_of_calls(result, worst)
    has_idle = bool(result.figure("resources", "cooldown", "calls_waiting"))
    serial = None if has_idle else _one_at_a_time(result, worst)
    if share < NEGLIGIBLE and serial is None:
        return None
    confidence = min(max(scale(share, LIKELY, CERTAIN), serial or 0.0), MOST_FROM_OUTSIDE)
    if share > UNRELATED or call_ms > UNRELATED * longest_ms:
        confidence = min(confidence, 0.4)
    host, program = str(worst.get("host")), worst.get("program")
    named = f"{host} ({program})" if program else host
    evidence = [
        f"{waiting:.1f} {noun} to {named} waited for a response on average, while"
        f" {plain(result.in_flight, 3)} requests were in flight: {min(share, 1):.0%} of their time"
        " (Little's law)",
        f"the longest seen took {call_ms:.0f} ms or more",
    ]
    caller = sole_caller(result, worst)
    where = (CallLocation(host, caller.name if caller else None),)
    if serial is None:
        return Evidence(confidence, tuple(evidence), where=where)
    peak = number(worst, "waiting_peak") or 0.0
    overlap = "never overlapped" if peak <= 1 else f"were never more than {peak:.0f} at a time"
    evidence.append(f"{noun} {overlap}: each request waits for those of the ones before it")
    return Evidence(confidence, tuple(evidence), (OVERLAP,), where)


def _one_at_a_time(result: ResultView, calls: Mapping[str, Any]) -> float | None:
    """Return a confidence if calls have few slots, which keep the service from other requests.

    Independent requests, of which several are in flight, would often call at once. If each process
    has one call at most, and is waiting for it, running or ready to run nearly all the time, it
    serves one request at a time: a blocking call in an event loop, one worker, or a lock around the
    call. Two or more at most are the threads or connections that a library has for such calls
    (libuv: two look-ups of host names). The whole response time is then that queue, to the extent
    that it consists of calls.
    """
    processes = max(result.figure(*SERVICE, "processes", "peak"), 1.0)
    waiting, peak, samples = (
        number(calls, key) or 0.0 for key in ("waiting_avg", "waiting_peak", "samples")
    )
    running = utilization(result) * processes
    slots = max(peak, processes)
    if samples < MANY_SAMPLES or result.in_flight < QUEUED * slots:
        return None
    if waiting + running < OCCUPIED * slots:
        return None
    return scale(waiting / (waiting + running), LIKELY, CERTAIN)
