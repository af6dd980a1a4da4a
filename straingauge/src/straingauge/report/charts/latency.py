"""Response times of one endpoint or of all: over time, as a heatmap, and their distribution."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from straingauge.histogram import Ints
from straingauge.recording.hdr import decode
from straingauge.report.charts.chart import (
    Chart,
    entries_of,
    limit_lines,
    limits_of,
    placeholder,
    series,
    short,
)

Times = tuple[Ints, Ints]
"""Times in nanoseconds in ascending order, and how often each occurred."""

PERCENTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
STEPS: Final = 8  # of the percentile axis, to each halving of what is slower
NOT_KEPT: Final = "not kept in the result file"
_NOTHING: Times = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def times_of(payload: str | None) -> Times:
    """An encoded histogram; nothing where there is none."""
    return decode(payload) if payload else _NOTHING


def merged(parts: Iterable[Times]) -> Times:
    """All these as one."""
    parts = [*parts] or [_NOTHING]
    times, where = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    counts = np.zeros(times.size, dtype=np.int64)
    np.add.at(counts, where, np.concatenate([part[1] for part in parts]))
    return times, counts


def at_ranks_ms(times: Times, ranks: Sequence[int]) -> list[float]:
    """The times of these ranks, 1 being the shortest."""
    found = times[0][np.searchsorted(np.cumsum(times[1]), np.maximum(ranks, 1))]
    return [float(value) for value in found / 1e6]


def quantiles_ms(times: Times) -> dict[str, float | None]:
    """The percentiles that are shown; None where nothing was measured."""
    count = int(times[1].sum())
    if not count:
        return dict.fromkeys(PERCENTILES)
    ranks = [int(np.ceil(round(q * count, 6))) for q in PERCENTILES.values()]
    return dict(zip(PERCENTILES, at_ranks_ms(times, ranks), strict=True))


def over_time(
    result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], times: Sequence[Times], where: str
) -> Chart:
    """Percentiles of each interval, the slowest requests as dots, and the thresholds."""
    if not rows:
        return placeholder("latency", "Response time", NOT_KEPT)
    found = [quantiles_ms(each) for each in times]
    longest = [row["longest_ms"] for row in rows]
    lines = [series(name, [each[name] for each in found], name) for name in PERCENTILES]
    return {
        "id": "latency",
        "title": "Response time",
        "unit": "ms",
        "kind": "lines",
        "log": True,
        "x": [row["start_s"] + row["duration_s"] / 2 for row in rows],
        "series": [*lines, series("longest", longest, "longest")],
        "limits": _main_limits(result, where),
        "dots": [_dot(each) for each in _slowest(result, where)],
        "placeholder": None,
    }


def heatmap(rows: Sequence[Mapping[str, Any]], times: Sequence[Times]) -> Chart:
    """Number of requests by interval and response time, in 8 buckets per octave."""
    if not any(each[0].size for each in times):
        return placeholder(
            "heat", "Response times, all requests", NOT_KEPT if not rows else "no response"
        )
    return {
        "id": "heat",
        "title": "Response times, all requests",
        "unit": "ms",
        "kind": "heat",
        "log": True,
        "slots": [
            [row["start_s"], row["duration_s"], _cells(each)]
            for row, each in zip(rows, times, strict=True)
        ],
        "placeholder": None,
    }


def curve(
    result: Mapping[str, Any], endpoints: Mapping[str, Mapping[str, Any]], where: str
) -> Chart:
    """The whole distribution on a percentile axis as HdrHistogram plots it: log of 1 / (1 - p)."""
    title = "Latency by percentile"
    kept = [each["histograms_ns"] for each in endpoints.values() if each.get("histograms_ns")]
    if len(kept) < len(endpoints) or not kept:
        return placeholder("curve", title, NOT_KEPT if endpoints else "no response")
    response, service = (
        merged(times_of(each.get(kind)) for each in kept) for kind in ("response", "service")
    )
    count = int(response[1].sum())
    if not count:
        return placeholder("curve", title, "no response")
    figures = endpoints[where] if where else result["metrics"]
    confidence = figures["latency_ms"].get("confidence_intervals", {})
    return {
        "id": "curve",
        "title": title,
        "unit": "ms",
        "kind": "curve",
        "log": True,
        "count": count,
        "series": [
            series("response time", _by_percentile(response)),
            series("service time", _by_percentile(service)),
        ],
        "whiskers": [
            {"p": PERCENTILES[name], "low": short(each["low"]), "high": short(each["high"])}
            for name, each in confidence.items()
            if name in PERCENTILES and each.get("low") is not None
        ],
        "marks": [
            {"p": q, "y": limits["warning"], "name": f"{name} warning"}
            for name, q in PERCENTILES.items()
            if (limits := limits_of(result, f"{name}_ms", where))
        ],
        "placeholder": None,
    }


def _by_percentile(times: Times) -> list[float]:
    """Values at 1 - 2**(-i/8), up to the longest of all."""
    count = int(times[1].sum())
    if not count:
        return []
    steps = np.arange(int(STEPS * np.log2(2 * count)) + 1)
    ranks = np.ceil(np.round(count * (1 - 2.0 ** (-steps / STEPS)), 6)).astype(int)
    return [*at_ranks_ms(times, ranks.tolist())]


def _cells(times: Times) -> list[int]:
    """Bucket, count, bucket, count ...: a bucket's lower edge is 2**(b >> 3) * (1 + b % 8 / 8)."""
    exponent = np.frexp(times[0].astype(float))
    bucket = (exponent[1] - 1) * 8 + np.floor((exponent[0] * 2 - 1) * 8).astype(int)
    cells, where = np.unique(bucket, return_inverse=True)
    counts = np.zeros(cells.size, dtype=np.int64)
    np.add.at(counts, where, times[1])
    return [int(each) for pair in zip(cells, counts, strict=True) for each in pair]


def _main_limits(result: Mapping[str, Any], where: str) -> list[Chart]:
    """Thresholds of one percentile: those of all three would hide the curves."""
    failed = [e["rule"] for e in entries_of(result, where) if e["grade"] in ("warning", "critical")]
    for rule in (*failed, "p95_ms", "p99_ms", "p50_ms", "max_ms"):
        name = rule.removesuffix("_ms")
        if name in (*PERCENTILES, "max") and limits_of(result, rule, where):
            return limit_lines(result, rule, where, name)
    return []


def _slowest(result: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    found = result["metrics"].get("slowest") or []
    return [each for each in found if where in ("", each["endpoint"])]


def _dot(slow: Mapping[str, Any]) -> list[Any]:
    parts = slow.get("parts_ms") or {}
    split = ", ".join(f"{name} {value:.3g} ms" for name, value in parts.items())
    words = f"{slow['endpoint']} {slow['status'] or 'no response'}"
    return [
        short(slow["start_s"]),
        short(slow["response_ms"]),
        ": ".join(filter(None, (words, split))),
    ]
