"""Streams of a run: a line for each endpoint in texts, and a table on the page."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from straingauge.number_text import count, number
from straingauge.report.text import Result

_STATISTICS: Final = ("p50", "p95", "max")
_ENDINGS: Final = {
    "end_mark": "end mark",
    "server": "end of the response",
    "limit": "limit of the test",
    "load_end": "end of the load",
    "failure": "failure",
}


def stream_lines(result: Result) -> Iterator[str]:
    """Yield a line for each endpoint with streams: events, times, stalls and endings."""
    for name, figures in result["endpoints"].items():
        if (streams := figures.get("streams")) is not None:
            yield f"{name}: {'; '.join(_sentence_parts(streams))}"


def stream_rows(result: Result) -> list[dict[str, Any]]:
    """Return a row for each endpoint with streams; those without tokens have none of their times.

    The times are p50, p95 and maximum in milliseconds.
    """
    return [
        {
            "endpoint": name,
            "streams": f"{streams['streams']:,}",
            "events": f"{streams['events']:,}",
            "per_stream": number(streams["events_per_stream"]["avg"]),
            "first_event": _times(streams["first_event_ms"]),
            "gap": _times(streams["event_gap_ms"]),
            "first_token": _times(streams.get("time_to_first_token_ms")),
            "token_gap": _times(streams.get("inter_token_latency_ms")),
            "duration": _times(streams["duration_ms"]),
            "stalls": f"{streams['stalls']:,}",
            "ended": _endings(streams),
        }
        for name, figures in result["endpoints"].items()
        if (streams := figures.get("streams")) is not None
    ]


def _sentence_parts(streams: Mapping[str, Any]) -> Iterator[str]:
    yield f"{count(streams['streams'], 'stream')}, {count(streams['events'], 'event')}"
    times = {"first event": "first_event_ms", "gap": "event_gap_ms"}
    if "tokens" in streams:
        times = {
            "first token": "time_to_first_token_ms",
            "inter-token latency": "inter_token_latency_ms",
        }
    for title, name in times.items():
        if streams[name]["samples"]:
            yield f"{title} {_percentiles(streams[name])}"
    if streams["stalls"]:
        yield count(streams["stalls"], "stall")
    yield f"ended by {_endings(streams)}"


def _times(times: Mapping[str, Any] | None) -> str:
    """Return p50, p95 and maximum."""
    if times is None or not times["samples"]:
        return "-"
    return " / ".join(number(times[name]) for name in _STATISTICS)


def _percentiles(times: Mapping[str, Any]) -> str:
    """Return p50, p95 and maximum with their names."""
    return ", ".join(f"{name} {number(times[name], 'ms')}" for name in _STATISTICS)


def _endings(streams: Mapping[str, Any]) -> str:
    found = streams["ended"].items()
    return ", ".join(f"{_ENDINGS.get(name, name)} {amount:,}" for name, amount in found)
