"""Histograms of a result: of each endpoint over the whole main phase, and over time.

They are encoded as HdrHistogram V2, in nanoseconds.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from straingauge.histogram import Ints
from straingauge.recording import Series, TransactionSeries
from straingauge.recording.error_timeline import OTHER
from straingauge.recording.hdr import encode
from straingauge.recording.hdr import intervals as hdr_intervals
from straingauge.recording.timeline import STARTED
from straingauge.result.format.metrics import Histograms, Interval, TransactionHistograms

# Enough to see when something happened, few enough (some 40 kB) for a file that people keep.
MAX_INTERVALS: Final = 120
# Over all endpoints (some 300 kB); each has at least a few, and all have the same width.
MAX_OF_ENDPOINTS: Final = 900
MIN_PER_ENDPOINT: Final = 8
MAX_ERROR_KINDS: Final = 6  # by name, as many as a chart has distinct colours beside the rest


def histograms_ns(series: Series) -> Histograms:
    """Encode the histograms of an endpoint."""
    return {"response": encode(series.response), "service": encode(series.service)}


def transaction_histograms_ns(series: TransactionSeries) -> TransactionHistograms:
    """Encode the histograms of a transaction."""
    return {"response": encode(series.response), "duration": encode(series.duration)}


def intervals(series: Series, most: int = MAX_INTERVALS) -> list[Interval]:
    """Split a series into intervals of 1 s, or of 2, 4, 8 ... s, by intended start.

    Intervals in which no request started are skipped.

    Args:
        series: The measurements.
        most: The number of intervals; they get longer until it is enough.
    """
    timeline = series.timeline
    errors_over_time = series.error_timeline
    width_s = max(timeline.width_s, series.server_timings.width_s, errors_over_time.width_s)
    while timeline.used * timeline.width_s > most * width_s:
        width_s *= 2
    timeline = timeline.widened(width_s)
    served = {each.start_s: each for each in hdr_intervals(timeline)}
    parts_ns = series.server_timings.over_time_ns(width_s)
    kinds = _largest(errors_over_time.over_time(width_s))
    rows: list[Interval] = []
    for slot in np.flatnonzero(timeline.sums[:, STARTED]).tolist():
        started, errors, limited, *_ = timeline.sums[slot].tolist()
        times = served.get(slot * width_s)
        parts = {name: sums for name, sums_ns in parts_ns.items() if (sums := sums_ns[slot])}
        failed = {name: int(counts[slot]) for name, counts in kinds.items() if slot < counts.size}
        rows.append(
            {
                "start_s": slot * width_s,
                "duration_s": width_s,
                "requests": started,
                "errors": errors,
                "error_kinds": {name: count for name, count in failed.items() if count},
                "rate_limited": limited,
                "longest_ms": round(times.longest_ms, 6) if times else None,
                "histogram_ns": times.payload if times else None,
                "parts_ms": {name: round(int(sums) / 1e6, 3) for name, sums in parts.items()},
            }
        )
    return rows


def _largest(kinds: Mapping[str, Ints]) -> dict[str, Ints]:
    """Keep the `MAX_ERROR_KINDS` kinds with most failures, largest first; the others are added."""
    names = sorted(kinds.keys() - {OTHER}, key=lambda name: (-int(kinds[name].sum()), name))
    largest = {name: kinds[name] for name in names[:MAX_ERROR_KINDS]}
    rest = [kinds[name] for name in (*names[MAX_ERROR_KINDS:], *({OTHER} & kinds.keys()))]
    if rest:
        length = max(each.size for each in rest)
        padded = [np.pad(each, (0, length - each.size)) for each in rest]
        largest[OTHER] = np.sum(padded, axis=0, dtype=np.int64)
    return largest


def max_intervals(endpoints: int) -> int:
    """The number of intervals for each of this many endpoints."""
    share = MAX_OF_ENDPOINTS // max(1, endpoints)
    return min(MAX_INTERVALS, max(MIN_PER_ENDPOINT, share))
