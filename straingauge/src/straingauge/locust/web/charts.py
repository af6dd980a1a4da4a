"""How a run went over time: the lines of the page's small charts, of a result alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from straingauge.recording.hdr import decode

MOST_POINTS: Final = 120  # of a line; a chart is some 300 px wide

Point = tuple[float, float | None]
"""Seconds from the start, and the value then; None breaks the line."""
SocketStream = tuple[str, Sequence[Point]]
Rows = Sequence[Mapping[str, Any]]


def charts(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The charts there is data for, most telling first.

    Returns:
        Objects of ``title``, ``unit`` and ``lines``: each ``name`` and ``points``.
    """
    rows: Rows = result["intervals"][:-1]  # the last second is not over
    samples: Rows = result["resources"]["samples"]
    found = (
        ("Response time", "ms", _response_times(rows)),
        ("Requests", "/s", _rates(rows)),
        ("Response time by part", "ms", _parts(rows)),
        ("Connection pool", "", _gauges(samples, _POOL)),
        ("CPU of one core", "%", [*_cpu(samples)]),
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


_POOL: Final = {"in use": "pool_in_use", "size": "pool_size", "waiting for one": "pool_waiters"}
_DATABASE: Final = {
    "at work": "db_active",
    "idle in transaction": "db_idle_in_transaction",
    "waiting for a lock": "db_waiting_for_locks",
}
_CPU: Final = {
    "service": "cpu_s",
    "database": "database_cpu_s",
    "load generator": "generator_cpu_s",
}


def _rates(rows: Rows) -> list[SocketStream]:
    """What started in each slot, per second; a slot without a row had nothing."""
    lines: list[SocketStream] = []
    for name, key in (
        ("requests", "requests"),
        ("errors", "errors"),
        ("rate limited", "rate_limited"),
    ):
        if name == "requests" or any(row[key] for row in rows):
            seen = {row["start_s"]: row[key] / row["duration_s"] for row in rows}
            lines.append((name, [(t_s, seen.get(t_s, 0.0)) for t_s in _slots(rows)]))
    return lines


def _response_times(rows: Rows) -> list[SocketStream]:
    decoded = {row["start_s"]: decode(row["histogram_ns"]) for row in rows if row["histogram_ns"]}
    return [
        (
            name,
            [
                (t_s, _rank_ms(*decoded[t_s], share) if t_s in decoded else None)
                for t_s in _slots(rows)
            ],
        )
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]


def _rank_ms(times_ns: "np.ndarray[Any, Any]", counts: "np.ndarray[Any, Any]", q: float) -> float:
    """The time that a share `q` of the samples does not exceed."""
    cumulated = np.cumsum(counts)
    rank = max(1, math.ceil(q * int(cumulated[-1])))
    return _rounded(float(times_ns[np.searchsorted(cumulated, rank)]) / 1e6)


def _parts(rows: Rows) -> list[SocketStream]:
    """Each Server-Timing part by the responses of its slot, the largest part first."""
    names = {name for row in rows for name in row["parts_ms"]}
    means: dict[str, list[Point]] = {name: [] for name in names}
    seen = {row["start_s"]: row for row in rows}
    for t_s in _slots(rows):
        row = seen.get(t_s)
        for name, line in means.items():
            told = row and row["parts_ms"] and row["requests"]
            mean = row["parts_ms"].get(name, 0.0) / row["requests"] if row and told else None
            line.append((t_s, None if mean is None else _rounded(mean)))
    return sorted(means.items(), key=lambda line: -sum(value or 0.0 for _, value in line[1]))


def _slots(rows: Rows) -> Iterable[float]:
    """Every slot from the first to the last row, also those without one."""
    if not rows:
        return []
    width_s = rows[0]["duration_s"]
    number = round((rows[-1]["start_s"] - rows[0]["start_s"]) / width_s) + 1
    return [rows[0]["start_s"] + slot * width_s for slot in range(number)]


def _gauges(samples: Rows, keys: Mapping[str, str], *, unit: float = 1.0) -> list[SocketStream]:
    return [
        (name, _thinned([(each["t_s"], each[key] / unit) for each in samples if key in each]))
        for name, key in keys.items()
    ]


def _cpu(samples: Rows) -> Iterable[SocketStream]:
    """CPU time used between two looks, in percent of one core."""
    for name, key in _CPU.items():
        seen = [(each["t_s"], each[key]) for each in samples if key in each]
        used = [
            (t_s, 100 * max(0.0, cpu_s - before_s) / (t_s - since_s))
            for (since_s, before_s), (t_s, cpu_s) in pairwise(seen)
            if t_s > since_s
        ]
        yield name, _thinned(used)


def _thinned(points: Sequence[tuple[float, float]]) -> list[Point]:
    """No more than fit, and of each stretch the highest: a peak must not be lost."""
    if not points:
        return []
    width = math.ceil(len(points) / MOST_POINTS)
    stretches = (points[first : first + width] for first in range(0, len(points), width))
    peaks = (max(stretch, key=lambda point: point[1]) for stretch in stretches)
    return [(round(t_s, 1), _rounded(value)) for t_s, value in peaks]


def _rounded(value: float) -> float:
    """Four figures are more than a chart shows."""
    return float(f"{value:.4g}")
