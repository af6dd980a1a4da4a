"""The metrics of WebSockets."""

from collections.abc import Callable
from typing import Final

from straingauge.histogram import Histogram
from straingauge.recording.measurements import Measurements
from straingauge.recording.stream_counts import CLOSED
from straingauge.result.format.metrics import Times, WebSocketMetrics

_NOTHING: Final = Histogram()


def websockets(
    measured: Measurements, times: Callable[[Histogram], Times]
) -> WebSocketMetrics | None:
    """Compute the metrics of WebSockets; None if there was none.

    Args:
        measured: The recorded counts and times.
        times: Computes the statistics of a histogram in milliseconds.
    """
    counts = measured.counts
    if not counts["websockets"]:
        return None
    return {
        "websockets": counts["websockets"],
        "sent": counts["sent"],
        "received": counts["received"],
        "sent_bytes": counts["sent_bytes"],
        "received_bytes": counts["received_bytes"],
        "pings": counts["pings"],
        "dropped": counts["dropped"],
        "close_codes": {
            name.removeprefix(CLOSED): counts[name]
            for name in sorted(counts)
            if name.startswith(CLOSED)
        },
        "duration_ms": times(measured.times.get("duration", _NOTHING)),
    }
