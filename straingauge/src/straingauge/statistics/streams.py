"""The metrics of streams: responses that were read as they came."""

from collections.abc import Callable
from typing import Final, TypeAlias

from straingauge.histogram import Histogram
from straingauge.recording.measurements import Measurements
from straingauge.recording.stream_counts import ENDED
from straingauge.result.format.metrics import StreamMetrics, Times

_TimesOf: TypeAlias = Callable[[Histogram], Times]
_NOTHING: Final = Histogram()


def streams(measured: Measurements, times: _TimesOf) -> StreamMetrics | None:
    """Compute the metrics of streams; None if there was none.

    Args:
        measured: What was recorded.
        times: Computes the statistics of a histogram in milliseconds.
    """
    counts = measured.counts
    if not counts["streams"]:
        return None

    def of(name: str) -> Times:
        return times(measured.times.get(name, _NOTHING))

    found: StreamMetrics = {
        "streams": counts["streams"],
        "events": counts["events"],
        "stalls": counts["stalls"],
        "body_bytes": counts["body_bytes"],
        "ended": {
            name.removeprefix(ENDED): counts[name]
            for name in sorted(counts)
            if name.startswith(ENDED)
        },
        "first_event_ms": of("first_event"),
        "event_gap_ms": of("event_gap"),
        "duration_ms": of("duration"),
        "events_per_stream": of("events_per_stream"),
    }
    if "token_gap" in measured.times:
        found["tokens"] = counts["tokens"]
        found["time_to_first_token_ms"] = of("first_token")
        found["inter_token_latency_ms"] = of("token_gap")
    return found
