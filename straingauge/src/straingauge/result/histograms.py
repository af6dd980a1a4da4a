"""Whole histograms in a result file, and from there to HdrHistogram's own tools.

A result keeps, in HdrHistogram's V2 encoding and in nanoseconds: the response and the service times
of each endpoint over the whole main phase (`endpoints[NAME].histograms_ns`), and the response times
over time: of each endpoint (`endpoints[NAME].intervals`) and of all together (`intervals`).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from straingauge.errors import UsageError
from straingauge.recording import Series
from straingauge.recording.hdr import Interval, encode, intervals, log
from straingauge.recording.timeline import STARTED
from straingauge.result.file import NotWritten

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


def whole_run_log(result: Mapping[str, Any]) -> Iterator[str]:
    """An interval log with two lines per endpoint: its response times and its service times.

    The tags are "ENDPOINT response" and "ENDPOINT service"; within 0.5 % of the samples.

    Raises:
        UsageError: No request has a response time.
    """
    after_s = (result["metrics"].get("warmup") or {}).get("duration_s", 0.0)
    length_s = result["metrics"]["duration_s"]
    lines = [
        Interval(after_s, f"{endpoint} {kind}", length_s, statistics[times]["max"] or 0.0, payload)
        for endpoint, statistics in result["endpoints"].items()
        for kind, times in (("response", "latency_ms"), ("service", "service_time_ms"))
        if (payload := statistics["histograms_ns"][kind])
    ]
    return _log(result, lines)


def interval_log(result: Mapping[str, Any]) -> Iterator[str]:
    """An interval log of all endpoints' response times; each line within 6.4 % of the samples.

    Raises:
        UsageError: No request has a response time.
    """
    lines = [
        Interval(each["start_s"], "", each["duration_s"], each["longest_ms"], each["histogram_ns"])
        for each in result["intervals"]
        if each["histogram_ns"]
    ]
    return _log(result, lines)


def export_to(path: Path, lines: Iterable[str]) -> Path:
    """Write a log, whole or not at all; one that is there already is replaced.

    Raises:
        NotWritten: No space or no right.
    """
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text("".join(lines), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):  # whatever is in its way: what matters is the error above
            unfinished.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise NotWritten(f"cannot write {path}: {reason}", "name another folder: -o DIR") from error
    return path


def _log(result: Mapping[str, Any], lines: list[Interval]) -> Iterator[str]:
    if not lines:
        raise UsageError(f"{result['name']}: no request has a response time")
    return log(lines, datetime.fromisoformat(result["started_at"]).timestamp())
