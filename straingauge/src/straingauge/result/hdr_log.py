"""Interval logs for the tools of HdrHistogram, from the histograms in a result."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from straingauge.errors import UsageError
from straingauge.recording.hdr import Interval, log


def whole_run_log(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield an interval log with two lines per endpoint: response times and service times.

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
    """Yield an interval log of the response times of all endpoints, within 6.4 %.

    Raises:
        UsageError: No request has a response time.
    """
    lines = [
        Interval(each["start_s"], "", each["duration_s"], each["longest_ms"], each["histogram_ns"])
        for each in result["intervals"]
        if each["histogram_ns"]
    ]
    return _log(result, lines)


def _log(result: Mapping[str, Any], lines: list[Interval]) -> Iterator[str]:
    if not lines:
        raise UsageError(f"{result['name']}: no request has a response time")
    started_at = result.get("load_started_at", result["started_at"])
    return log(lines, datetime.fromisoformat(started_at).timestamp())
