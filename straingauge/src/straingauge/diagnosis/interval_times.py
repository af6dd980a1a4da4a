"""Percentiles of the response times in the intervals of a result."""

from collections.abc import Mapping
from typing import Any

from straingauge.recording.hdr import decode


def quantile_ms(row: Mapping[str, Any], quantile: float) -> float | None:
    """Return a quantile of an interval's response times; None if there are none.

    Args:
        row: An interval of a result.
        quantile: From 0 to 1.
    """
    payload = row.get("histogram_ns")
    if not isinstance(payload, str):
        return None
    try:
        times_ns, counts = decode(payload)
    except ValueError:
        return None
    total = int(counts.sum())
    if not total:
        return None
    return float(times_ns[int((counts.cumsum() >= quantile * total).argmax())]) / 1e6
