"""Break the response time down by Server-Timing part, and list the slowest requests."""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Ints
from straingauge.recording import Record
from straingauge.recording.server_timings import ServerTiming, ServerTimings
from straingauge.recording.slow_requests import MAX_SLOWEST
from straingauge.result.format import metrics as sections

Sums: TypeAlias = NDArray[np.int64] | NDArray[np.float64]

_SLOWEST_SHARE: Final = 0.01


def server_timing(parts: ServerTimings) -> sections.ServerTiming | None:
    """Compute the times and shares of each part; None if there are no parts.

    `share` is a part's share of all response time, `share_slowest` the same for the slowest 1 %, at
    least one response. A bucket (0.8 % wide) at that boundary counts partly. "unattributed" is what
    the service did not report: network, queueing in front of it, its event loop. Shares of
    overlapping parts may exceed 1 in total.
    """
    responses = int(parts.counts.sum())
    if not responses:
        return None
    slowest = _weights(parts.counts, _SLOWEST_SHARE)
    named = sorted(parts.parts.items(), key=lambda item: (item[0] == "unattributed", item[0]))
    return {
        "responses": responses,
        "parts": {name: _part(part, parts.sums_ns, slowest) for name, part in named},
    }


def slowest(record: Record, phase: str) -> list[sections.SlowRequest]:
    """Return the slowest requests of a phase, slowest first."""
    kept = [
        (slow, endpoint)
        for endpoint, series in record.endpoints(phase).items()
        for slow in series.slowest
    ]
    return [
        {
            "endpoint": endpoint,
            "start_s": round(slow.intended_ns / 1e9, 6),
            "response_ms": round(slow.response_ns / 1e6, 6),
            "service_ms": round(slow.service_ns / 1e6, 6),
            "status": slow.status or None,
            "request_id": slow.request_id or None,
            "trace_id": slow.trace_id or None,
            "parts_ms": dict(slow.parts_ms),
        }
        for slow, endpoint in sorted(kept, reverse=True)[:MAX_SLOWEST]
    ]


def _part(
    part: ServerTiming, whole_ns: Ints, slowest: NDArray[np.float64]
) -> sections.ServerTimingPart:
    p50, p95, p99 = (part.times.quantile_ns(q) for q in (0.50, 0.95, 0.99))
    return {
        "avg_ms": _ms(part.times.mean_ns),
        "p50_ms": _ms(p50),
        "p95_ms": _ms(p95),
        "p99_ms": _ms(p99),
        "share": _share(part.sums_ns, whole_ns),
        "share_slowest": _share(part.sums_ns * slowest, whole_ns * slowest),
    }


def _ms(time_ns: float | None) -> float:
    return round((time_ns or 0) / 1e6, 6)


def _weights(counts: Ints, share: float) -> NDArray[np.float64]:
    """Return the weight of each bucket in the slowest share of all."""
    # Rounded, so that 1 % of 700 is 7 and not 8 because of a rounding error.
    wanted = max(1, int(np.ceil(round(counts.sum() * share, 6))))
    slower = np.cumsum(counts[::-1])[::-1] - counts
    taken = np.clip(wanted - slower, 0, counts)
    weights: NDArray[np.float64] = taken / np.maximum(counts, 1)
    return weights


def _share(part_ns: Sums, whole_ns: Sums) -> float:
    whole = float(whole_ns.sum())
    return round(float(part_ns.sum()) / whole, 6) if whole else 0.0
