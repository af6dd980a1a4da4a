"""Histograms of a result: of each endpoint over the whole main phase, and over time.

They are encoded as HdrHistogram V2, in nanoseconds.
"""

from typing import Any, Final

import numpy as np

from straingauge.recording import Series
from straingauge.recording.hdr import encode, intervals
from straingauge.recording.timeline import STARTED

# Enough to see when something happened, few enough (some 40 kB) for a file that people keep.
MOST_INTERVALS: Final = 120
# Over all endpoints (some 300 kB); each has at least a few, and all have the same width.
MOST_OF_ENDPOINTS: Final = 900
FEWEST_OF_AN_ENDPOINT: Final = 8


def histograms_ns(series: Series) -> dict[str, str]:
    """An endpoint's histograms, as a result keeps them."""
    return {"response": encode(series.response), "service": encode(series.service)}


def intervals_ns(series: Series, most: int = MOST_INTERVALS) -> list[dict[str, Any]]:
    """A series over time, as a result keeps it: slots of 1 s, or of 2, 4, 8 ... s.

    By intended start; a slot in which nothing started has no row. In each: how many requests,
    errors and rate-limited ones; the response times of those that have one, ``histogram_ns`` being
    null where none has; and ``parts_ms``, the Server-Timing parts summed over its responses.

    Args:
        series: What was measured.
        most: The slots get wider until they are no more.
    """
    timeline = series.timeline
    width_s = max(timeline.width_s, series.parts.width_s)
    while timeline.used * timeline.width_s > most * width_s:
        width_s *= 2
    timeline = timeline.widened(width_s)
    served = {each.start_s: each for each in intervals(timeline)}
    parts_ns = series.parts.over_time_ns(width_s)
    rows = []
    for slot in np.flatnonzero(timeline.sums[:, STARTED]).tolist():
        started, errors, limited, *_ = timeline.sums[slot].tolist()
        times = served.get(slot * width_s)
        parts = {name: sums for name, sums_ns in parts_ns.items() if (sums := sums_ns[slot])}
        rows.append(
            {
                "start_s": slot * width_s,
                "duration_s": width_s,
                "requests": started,
                "errors": errors,
                "rate_limited": limited,
                "longest_ms": round(times.longest_ms, 6) if times else None,
                "histogram_ns": times.payload if times else None,
                "parts_ms": {name: round(int(sums) / 1e6, 3) for name, sums in parts.items()},
            }
        )
    return rows


def most_each(endpoints: int) -> int:
    """How many intervals each of so many endpoints may keep."""
    share = MOST_OF_ENDPOINTS // max(1, endpoints)
    return min(MOST_INTERVALS, max(FEWEST_OF_AN_ENDPOINT, share))
