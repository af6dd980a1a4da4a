"""Streams without a format of events: a JSON value in each line, or chunks as they arrive."""

from collections.abc import Iterator

from straingauge.http.streaming.event import Event
from straingauge.http.streaming.event_stream import EventTooLarge


class LineParser:
    """Cuts a body into lines, such as NDJSON; empty lines are skipped.

    Args:
        max_event_bytes: The size limit of one line.
    """

    __slots__ = ("_line", "_max")

    def __init__(self, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._line = bytearray()

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the lines that this piece completes.

        Raises:
            EventTooLarge: A line is larger than the limit.
        """
        *lines, unfinished = piece.split(b"\n")
        for line in lines:
            if self._line:
                line = bytes(self._line) + line  # noqa: PLW2901  its beginning came before
                self._line.clear()
            self._check_size(len(line))
            if text := line.strip():
                yield Event(text.decode("utf-8", errors="replace"))
        self._line += unfinished
        self._check_size(len(self._line))

    def finish(self) -> Iterator[Event]:
        """Yield the last line, which needs no line end."""
        if text := bytes(self._line).strip():
            self._line.clear()
            yield Event(text.decode("utf-8", errors="replace"))

    def _check_size(self, size: int) -> None:
        if size > self._max:
            raise EventTooLarge(f"a line of more than {self._max} bytes")


class ChunkParser:
    """Takes each piece that arrives as one event, whatever the server's chunks were.

    Args:
        max_event_bytes: Without effect: a piece is never larger than the receive buffer.
    """

    __slots__ = ()

    def __init__(self, max_event_bytes: int) -> None:
        pass

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the piece."""
        if piece:
            yield Event(piece.decode("utf-8", errors="replace"))

    def finish(self) -> Iterator[Event]:
        """Yield nothing."""
        return iter(())
