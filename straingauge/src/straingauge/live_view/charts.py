"""The lines of the live page's small charts over time, computed from a result."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from straingauge.recording.hdr import decode

MAX_POINTS: Final = 120  # per line; a chart is about 300 px wide

Point = tuple[float, float | None]
"""Seconds from the start, and the value at that time; None breaks the line."""
Line = tuple[str, Sequence[Point]]
"""The name of a line, and its points."""
Rows = Sequence[Mapping[str, Any]]


def charts(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the charts that there is data for, the most important first.

    Returns:
        Objects with ``title``, ``unit`` and ``lines``, each with ``name`` and ``points``.
    """
    intervals: Rows = result["intervals"][:-1]  # the last second is not over
    samples: Rows = result["resources"]["samples"]
    found = (
        ("Response time", "ms", _response_times(intervals)),
        ("Requests", "/s", _rates(intervals)),
        ("Server-Timing", "ms", _server_timing(intervals)),
        ("Connection pool", "", _gauges(samples, _POOL)),
        ("CPU (one core)", "%", [*_cpu(samples)]),
        ("Memory of the service", "MB", _gauges(samples, {"memory": "rss_bytes"}, unit=1e6)),
        ("Database connections", "", _gauges(samples, _DATABASE)),
    )
    return [
        {
            "title": title,
            "unit": unit,
            "lines": [{"name": name, "points": points} for name, points in lines if points],
        }
        for title, unit, lines in found
        if any(points for _, points in lines)
    ]


_POOL: Final = {"in use": "pool_in_use", "size": "pool_size", "waiters": "pool_waiters"}
_DATABASE: Final = {
    "active": "db_active",
    "idle in transaction": "db_idle_in_transaction",
    "waiting for locks": "db_waiting_for_locks",
}
_CPU: Final = {
    "service": "cpu_s",
    "database": "database_cpu_s",
    "load generator": "generator_cpu_s",
}


def _rates(intervals: Rows) -> list[Line]:
    """Return requests started per second; an interval without a row had none."""
    lines: list[Line] = []
    for name, key in (
        ("requests", "requests"),
        ("errors", "errors"),
        ("rate limited", "rate_limited"),
    ):
        if name == "requests" or any(row[key] for row in intervals):
            rates = {row["start_s"]: row[key] / row["duration_s"] for row in intervals}
            lines.append((name, [(t_s, rates.get(t_s, 0.0)) for t_s in _starts_s(intervals)]))
    return lines


def _response_times(intervals: Rows) -> list[Line]:
    decoded = {
        row["start_s"]: decode(row["histogram_ns"]) for row in intervals if row["histogram_ns"]
    }
    return [
        (
            name,
            [
                (t_s, _quantile_ms(*decoded[t_s], q) if t_s in decoded else None)
                for t_s in _starts_s(intervals)
            ],
        )
        for name, q in (("p50", 0.5), ("p95", 0.95))
    ]


def _quantile_ms(
    times_ns: "np.ndarray[Any, Any]", counts: "np.ndarray[Any, Any]", q: float
) -> float:
    """Return the time that a share `q` of the samples does not exceed."""
    cumulated = np.cumsum(counts)
    rank = max(1, math.ceil(q * int(cumulated[-1])))
    return _rounded(float(times_ns[np.searchsorted(cumulated, rank)]) / 1e6)


def _server_timing(intervals: Rows) -> list[Line]:
    """Return the mean of each Server-Timing part per response, the largest part first."""
    names = {name for row in intervals for name in row["parts_ms"]}
    lines: dict[str, list[Point]] = {name: [] for name in names}
    rows = {row["start_s"]: row for row in intervals}
    for t_s in _starts_s(intervals):
        row = rows.get(t_s)
        for name, points in lines.items():
            has_parts = row and row["parts_ms"] and row["requests"]
            mean = row["parts_ms"].get(name, 0.0) / row["requests"] if row and has_parts else None
            points.append((t_s, None if mean is None else _rounded(mean)))
    return sorted(lines.items(), key=lambda line: -sum(value or 0.0 for _, value in line[1]))


def _starts_s(intervals: Rows) -> Iterable[float]:
    """Return the start of every interval from the first to the last, with gaps filled."""
    if not intervals:
        return []
    first_s, length_s = intervals[0]["start_s"], intervals[0]["duration_s"]
    number = round((intervals[-1]["start_s"] - first_s) / length_s) + 1
    return [first_s + index * length_s for index in range(number)]


def _gauges(samples: Rows, keys: Mapping[str, str], *, unit: float = 1.0) -> list[Line]:
    return [
        (name, _thin_out([(each["t_s"], each[key] / unit) for each in samples if key in each]))
        for name, key in keys.items()
    ]


def _cpu(samples: Rows) -> Iterable[Line]:
    """Return the CPU time used between two samples, in percent of one core."""
    for name, key in _CPU.items():
        times = [(each["t_s"], each[key]) for each in samples if key in each]
        used = [
            (t_s, 100 * max(0.0, cpu_s - before_s) / (t_s - since_s))
            for (since_s, before_s), (t_s, cpu_s) in pairwise(times)
            if t_s > since_s
        ]
        yield name, _thin_out(used)


def _thin_out(points: Sequence[tuple[float, float]]) -> list[Point]:
    """Reduce the points to `MAX_POINTS`, keeping the highest of each group so that peaks stay."""
    if not points:
        return []
    size = math.ceil(len(points) / MAX_POINTS)
    groups = (points[first : first + size] for first in range(0, len(points), size))
    peaks = (max(group, key=lambda point: point[1]) for group in groups)
    return [(round(t_s, 1), _rounded(value)) for t_s, value in peaks]


def _rounded(value: float) -> float:
    """Round to four digits, more than a chart shows."""
    return float(f"{value:.4g}")
