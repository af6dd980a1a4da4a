"""Where the response time goes, as the service itself says, and which requests were slowest."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Ints
from straingauge.recording import Record
from straingauge.recording.server_timings import ServerTiming, ServerTimings
from straingauge.recording.slow_requests import MOST_KEPT

Sums: TypeAlias = NDArray[np.int64] | NDArray[np.float64]

_SLOWEST_SHARE: Final = 0.01


def server_timing(parts: ServerTimings) -> dict[str, Any] | None:
    """The parts' times in milliseconds and shares of the response time; None without any.

    `share` is a part's share of all response time, `share_slowest` the same within the slowest
    1 %, at least one response. Where that line runs through a bucket (0.8 % wide), as much of the
    bucket counts as is needed. "unattributed" is what the service did not name: network, queueing
    before it, its event loop. Parts that overlap have shares of more than 1 together.
    """
    responses = int(parts.counts.sum())
    if not responses:
        return None
    slowest = _weights(parts.counts, _SLOWEST_SHARE)
    named = sorted(parts.named.items(), key=lambda item: (item[0] == "unattributed", item[0]))
    return {
        "responses": responses,
        "parts": {name: _figures(part, parts.sums_ns, slowest) for name, part in named},
    }


def slowest(record: Record, phase: str) -> list[dict[str, Any]]:
    """The slowest requests of a phase, slowest first; `t_s` is after the phase's start."""
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
            "parts_ms": dict(slow.parts_ms),
        }
        for slow, endpoint in sorted(kept, reverse=True)[:MOST_KEPT]
    ]


def _figures(part: ServerTiming, whole_ns: Ints, slowest: NDArray[np.float64]) -> dict[str, Any]:
    times = part.times
    percentiles = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
    return {
        "avg_ms": round((times.mean_ns or 0) / 1e6, 6),
        **{name: round((times.quantile_ns(q) or 0) / 1e6, 6) for name, q in percentiles.items()},
        "share": _share(part.sums_ns, whole_ns),
        "share_slowest": _share(part.sums_ns * slowest, whole_ns * slowest),
    }


def _weights(counts: Ints, share: float) -> NDArray[np.float64]:
    """How much of each bucket belongs to the slowest share of all."""
    # Rounded, so that 1 % of 700 is 7 and not, by a float's whim, 8.
    wanted = max(1, int(np.ceil(round(counts.sum() * share, 6))))
    slower = np.cumsum(counts[::-1])[::-1] - counts
    taken = np.clip(wanted - slower, 0, counts)
    weights: NDArray[np.float64] = taken / np.maximum(counts, 1)
    return weights


def _share(part_ns: Sums, whole_ns: Sums) -> float:
    whole = float(whole_ns.sum())
    return round(float(part_ns.sum()) / whole, 6) if whole else 0.0
