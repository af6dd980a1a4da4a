"""Slow calls to other services in the traces."""

from collections.abc import Mapping
from typing import Any, Final

from straingauge.diagnosis import traced
from straingauge.diagnosis.cause import Evidence, scale
from straingauge.diagnosis.location import CallLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count, plain

MIN_TRACES: Final = 3
# Of an endpoint's time: a tenth exceeds no threshold, a third may.
NEGLIGIBLE, LIKELY, CERTAIN = 0.1, 0.3, 0.7
MOST: Final = 0.5  # of the calls: with fewer failures, most requests need no repetition


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
        f"{endpoint} waits for {host} in {traced_share:.0%} of its traced time:"
        f" {count(calls, 'call')}, {plain(average_ms, 3)} ms on average, {plain(longest_ms, 3)}"
        " ms at most"
    )
    errors = number(worst, "errors") or 0.0
    sentences = (sentence, f"{errors:,.0f} of these calls failed") if errors else (sentence,)
    where = (CallLocation(host, endpoint),)
    return Evidence(scale(share, LIKELY, CERTAIN), sentences, where=where)


def repeated_call_in_traces(
    result: ResultView, repeated: float, surely: float, *, failed: bool = False
) -> Evidence | None:
    """Return evidence of calls to one host that a request sends again and again.

    Args:
        result: The result.
        repeated: Calls for each request that are likely too many.
        surely: Calls that are certainly too many.
        failed: Calls that fail and are sent again; otherwise those that succeed.
    """
    rows = [
        row
        for row in traced.calls(result)
        if (number(row, "traces") or 0.0) >= MIN_TRACES
        and (number(row, "per_request") or 0.0) >= repeated
        and (_failed_share(row) >= MOST) is failed
        and _share(result, row) >= NEGLIGIBLE
    ]
    if not rows:
        return None
    worst = max(rows, key=lambda row: _share(result, row))
    host, endpoint = str(worst.get("host")), str(worst.get("endpoint"))
    per_request, traces, share = (
        number(worst, key) or 0.0 for key in ("per_request", "traces", "share")
    )
    sentences = [
        f"{endpoint + ' calls'} {host} {per_request:.1f} times for each request, in {traces:.0f}"
        " traces:"
        f" {share:.0%} of its traced time"
    ]
    if failed:
        sentences.append(f"{_failed_share(worst):.0%} of these calls failed")
    confidence = min(scale(per_request, repeated, surely), scale(_share(result, worst), 0.1, 0.5))
    return Evidence(confidence, tuple(sentences), where=(CallLocation(host, endpoint),))


def _failed_share(row: Mapping[str, Any]) -> float:
    calls = number(row, "calls") or 0.0
    return (number(row, "errors") or 0.0) / calls if calls else 0.0


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
