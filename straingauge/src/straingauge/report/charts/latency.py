"""Response times of one endpoint or of all: over time, as a heatmap, and their distribution."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from straingauge.number_text import plain
from straingauge.report.charts.chart_data import (
    Chart,
    entries_of,
    limit_lines,
    limits_of,
    placeholder,
    series,
    short,
)
from straingauge.report.charts.histograms import decoded
from straingauge.statistics.distribution import Distribution

PERCENTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
STEPS: Final = 8  # of the percentile axis, per halving of the slower share
NOT_KEPT: Final = "not kept in the result file"


def over_time(
    result: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    times: Sequence[Distribution],
    where: str,
) -> Chart:
    """Percentiles over time, the slowest requests as dots, and the thresholds.

    A percentile that an interval has too few requests for is that of a wider bin; without one in
    the whole run, it is not drawn.
    """
    if not rows:
        return placeholder("latency", "Response time", NOT_KEPT)
    found = {name: _binned(times, q) for name, q in PERCENTILES.items()}
    longest = [row["longest_ms"] for row in rows]
    lines = [series(name, y, name) for name, y in found.items() if any(y)]
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


def _binned(times: Sequence[Distribution], quantile: float) -> list[float | None]:
    """The quantile at each interval, of bins in which about one request is slower than it.

    A p99 needs 100 requests, a p95 20. All intervals of a bin have its value, those without a
    response none. The last bin takes the rest.
    """
    least = round(1 / (1 - quantile))
    ends, count = [0], 0
    for end, each in enumerate(times, 1):
        count += each.count
        if count >= least:
            ends.append(end)
            count = 0
    if len(ends) == 1:
        return [None] * len(times)
    ends[-1] = len(times)
    values: list[float | None] = []
    for start, end in pairwise(ends):
        [value] = Distribution.merged(times[start:end]).quantiles_ms([quantile])
        values += [value if each.count else None for each in times[start:end]]
    return values


def heatmap(rows: Sequence[Mapping[str, Any]], times: Sequence[Distribution]) -> Chart:
    """Number of requests by interval and response time, in 8 buckets per octave."""
    if not any(each.count for each in times):
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
        Distribution.merged(decoded(result, (each.get(kind) for each in kept)))
        for kind in ("response", "service")
    )
    if not response.count:
        return placeholder("curve", title, "no response")
    figures = endpoints[where] if where else result["metrics"]
    confidence = figures["latency_ms"].get("confidence_intervals", {})
    return {
        "id": "curve",
        "title": title,
        "unit": "ms",
        "kind": "curve",
        "log": True,
        "count": response.count,
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


def _by_percentile(times: Distribution) -> list[float]:
    """Quantiles at 1 - 2**(-i/8), up to the longest time."""
    if not times.count:
        return []
    steps = np.arange(int(STEPS * np.log2(2 * times.count)) + 1)
    ranks = np.ceil(np.round(times.count * (1 - 2.0 ** (-steps / STEPS)), 6)).astype(int)
    return [float(value) for value in times.at_ranks_ms(ranks)]


def _cells(times: Distribution) -> list[int]:
    """Bucket, count, bucket, count ...: a bucket's lower edge is 2**(b >> 3) * (1 + b % 8 / 8)."""
    exponent = np.frexp(times.times_ns.astype(float))
    bucket = (exponent[1] - 1) * 8 + np.floor((exponent[0] * 2 - 1) * 8).astype(int)
    cells, where = np.unique(bucket, return_inverse=True)
    counts = np.zeros(cells.size, dtype=np.int64)
    np.add.at(counts, where, times.counts)
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
    split = ", ".join(f"{name} {plain(value, 3)} ms" for name, value in parts.items())
    words = f"{slow['endpoint']} {slow['status'] or 'no response'}"
    return [
        short(slow["start_s"]),
        short(slow["response_ms"]),
        ": ".join(filter(None, (words, split))),
    ]
