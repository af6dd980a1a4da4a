"""The share of the response time that statements can account for, so that no trifle is blamed."""

from collections.abc import Iterable, Mapping
from typing import Any

from straingauge.diagnosis.cause import scale
from straingauge.diagnosis.result_view import ResultView, number

NEGLIGIBLE = 0.02  # of the response time: without it, no threshold would be met that is missed
# A statement that takes a tenth may be what exceeds a threshold; one that takes a third is.
LIKELY, CERTAIN = 0.1, 0.3
ALL_BUSY = 0.8  # of all cores on average: then there are moments without a free one


def time_share(result: ResultView, total_ms: float, endpoint: str | None = None) -> float | None:
    """Return the highest share of the time of slow requests that statements can have taken.

    The time that requests wait for a connection does not count: a slow statement makes others wait,
    for much longer than it takes. Where that time is unknown, statements that keep all connections
    busy account for all of it. Where no core is free, everything waits for statements to the extent
    that they use the cores. Endpoints that missed a threshold are looked at separately, because
    statements of a rare endpoint take little of the whole.

    Args:
        result: The result.
        total_ms: Time of all calls of the statements during the load.
        endpoint: The only endpoint that runs them, if known.

    Returns:
        From 0 to 1; None if the response times are unknown.
    """
    if endpoint is not None:
        scopes = [result.endpoints.get(endpoint, {})]
    else:
        failed = {str(entry.get("endpoint")) for entry in result.failures}
        slow = [each for name, each in result.endpoints.items() if name in failed]
        scopes = [result.table("metrics"), *slow]
    times_ms = [time_ms for scope in scopes if (time_ms := _time_ms(result, scope))]
    if not times_ms:
        return None
    shares = [total_ms / time_ms for time_ms in times_ms]
    connections = result.figure("resources", "database", "connections", "peak")
    if result.at("resources", "pool") is None and connections and result.duration_s:
        shares.append(total_ms / (1000 * result.duration_s * connections))
    shares.append(_cpu_share(result))
    return min(max(shares), 1.0)


def limited(confidence: float, share: float | None) -> float:
    """Limit a confidence to what a share of the response time allows; 0 if it is negligible."""
    if share is None:
        return confidence
    return min(confidence, scale(share, LIKELY, CERTAIN)) if share >= NEGLIGIBLE else 0.0


def limited_where_missed(result: ResultView, confidence: float, share: float | None) -> float:
    """Limit a confidence to what a share of the response time allows, if a threshold was missed.

    Otherwise there is nothing to account for, and the cause is a warning of what gets worse with
    the number of rows; but not if its time is negligible.
    """
    if result.has_unexplained_failures():
        return limited(confidence, share)
    return confidence if share is None or share >= NEGLIGIBLE else 0.0


def total_ms(statements: Iterable[Mapping[str, Any]], overhead_ms: float = 0.0) -> float:
    """Return the time of all calls of statements, with an overhead for each call."""
    return sum(
        (number(each, "total_ms") or 0.0) + overhead_ms * (number(each, "calls") or 0.0)
        for each in statements
    )


def _cpu_share(result: ResultView) -> float:
    """The database's share of the machine's cores; 0 unless all of them are busy."""
    machine = ("resources", "machine")
    whole = 100 * result.figure(*machine, "cores")
    if not whole or result.figure(*machine, "cpu_percent", "avg") < ALL_BUSY * whole:
        return 0.0
    return result.figure(*machine, "database_cpu_percent", "avg") / whole


def _time_ms(result: ResultView, scope: Mapping[str, Any]) -> float:
    """Response times of all requests of a scope, less the waits for a connection."""
    requests = number(scope, "total_requests") or 0.0
    whole_ms = requests * (number(scope, "latency_ms", "avg") or 0.0)
    waiting = number(scope, "server_timing", "parts", "pool", "share")
    if waiting is None:
        all_ms = result.requests * result.figure("metrics", "latency_ms", "avg")
        waited_ms = 1000 * result.figure("resources", "pool", "wait_s")
        waiting = waited_ms / all_ms if all_ms else 0.0
    return whole_ms * (1 - min(max(waiting, 0.0), 0.99))
