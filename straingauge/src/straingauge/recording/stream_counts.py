"""Counts and times of streams and WebSockets in a record."""

from collections import Counter
from typing import Final

import numpy as np

from straingauge.http import StreamReader
from straingauge.http.websocket import WebSocket
from straingauge.recording.measurements import COUNT_NS, Measurements

ENDED: Final = "ended_"
"""Precedes each way in which streams ended, in the names of counts."""


def add_stream(measured: Measurements, intended_ns: int, stream: StreamReader) -> None:
    """Add one stream.

    Args:
        measured: The measurements of its endpoint.
        intended_ns: When it should have started: times to the first event and token count from
            there, as response times do.
        stream: Its events.
    """
    add, ending = measured.histogram, stream.ending or "failure"
    counted = Counter({"streams": 1, "events": stream.events, "stalls": stream.stalls})
    counted |= Counter({"body_bytes": stream.body_bytes, f"{ENDED}{ending}": 1})
    firsts = {"first_event": stream.first_ns}
    if stream.declared.token_test is not None:
        counted["tokens"] = stream.tokens
        firsts["first_token"] = stream.first_token_ns
        stream.token_gaps.add_to(add("token_gap"))
    measured.counts += counted  # which leaves zeros out
    stream.gaps.add_to(add("event_gap"))
    if stream.ended_ns:
        firsts["duration"] = stream.ended_ns
    for name, at_ns in firsts.items():
        if at_ns:
            add(name).add(np.array([at_ns - intended_ns], dtype=np.int64))
    add("events_per_stream").add(np.array([stream.events * COUNT_NS], dtype=np.int64))


CLOSED: Final = "closed_"
"""Precedes each code that WebSockets were closed with, in the names of counts."""


def add_websocket(measured: Measurements, socket: WebSocket, closed_ns: int) -> None:
    """Add one WebSocket that was closed at this instant of `time.monotonic_ns`."""
    measured.counts += Counter({"websockets": 1, f"{CLOSED}{socket.close_code}": 1})
    measured.counts += socket.protocol.counts
    durations = np.array([closed_ns - socket.opened_ns], dtype=np.int64)
    measured.histogram("duration").add(durations)
