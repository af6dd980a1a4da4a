"""Slow calls to other services in the traces."""

from collections.abc import Mapping
from typing import Any, Final

from straingauge.diagnosis import traced
from straingauge.diagnosis.cause import Evidence, scale
from straingauge.diagnosis.location import CallLocation
from straingauge.diagnosis.result_view import ResultView, number

MIN_TRACES: Final = 3
# Of an endpoint's time: a tenth exceeds no threshold, a third may.
NEGLIGIBLE, LIKELY, CERTAIN = 0.1, 0.3, 0.7


def slow_call_in_traces(result: ResultView) -> Evidence | None:
    """Return evidence of calls that take much of an endpoint's time; None if none does.

    The traces are of requests without load. So the time of the calls is compared with the time
    under load as well: with its mean, or where few calls are slow, with its slowest percent.
    """
    rows = [row for row in traced.calls(result) if (number(row, "traces") or 0.0) >= MIN_TRACES]
    if not rows:
        return None
    worst = max(rows, key=lambda row: _share(result, row))
    share = _share(result, worst)
    if share < NEGLIGIBLE:
        return None
    host, endpoint = str(worst.get("host")), str(worst.get("endpoint"))
    calls, average_ms, longest_ms, traced_share = (
        number(worst, key) or 0.0 for key in ("calls", "avg_ms", "max_ms", "share")
    )
    sentence = (
        f"{endpoint} waits for {host} in {traced_share:.0%} of its traced time: {calls:.0f} calls,"
        f" {average_ms:.0f} ms on average, {longest_ms:.0f} ms at most"
    )
    errors = number(worst, "errors") or 0.0
    sentences = (sentence, f"{errors:.0f} of these calls failed") if errors else (sentence,)
    where = (CallLocation(host, endpoint),)
    return Evidence(scale(share, LIKELY, CERTAIN), sentences, where=where)


def _share(result: ResultView, row: Mapping[str, Any]) -> float:
    """Return the share of the time under load that the calls can account for."""
    traced_share = number(row, "share") or 0.0
    latency = ("endpoints", str(row.get("endpoint")), "latency_ms")
    mean_ms, slowest_ms = (result.figure(*latency, key) for key in ("avg", "p99"))
    if not mean_ms or not slowest_ms:
        return 0.0
    call_ms = (number(row, "per_request") or 0.0) * (number(row, "avg_ms") or 0.0)
    of_slowest = (number(row, "max_ms") or 0.0) / slowest_ms
    return min(traced_share, max(call_ms / mean_ms, of_slowest))
