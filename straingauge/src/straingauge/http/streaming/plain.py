"""Streams without a format of events: a JSON value in each line, or chunks as they arrive."""

from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterator
from typing import Final

from straingauge.http.streaming.event import Event
from straingauge.http.streaming.event_stream import EventTooLarge

_Decoder: Final = getincrementaldecoder("utf-8")


class LineParser:
    """Cuts a body into lines, such as NDJSON; empty lines and a byte order mark are skipped.

    Args:
        max_event_bytes: The size limit of one line.
    """

    __slots__ = ("_is_first", "_line", "_max")

    def __init__(self, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._line = bytearray()
        self._is_first = True  # which may begin with a byte order mark

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
            yield from self._event(line)
        self._line += unfinished
        self._check_size(len(self._line))

    def finish(self) -> Iterator[Event]:
        """Yield the last line, which needs no line end.

        Raises:
            ValueError: It is cut off: without a line end, it is no JSON either.
        """
        line = bytes(self._line)
        self._line.clear()
        for event in self._event(line):
            try:
                event.json()
            except ValueError:
                raise ValueError("the stream ends within a line, which is no JSON") from None
            yield event

    def _event(self, line: bytes) -> Iterator[Event]:
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(BOM_UTF8)
        if text := line.strip():
            yield Event(text.decode("utf-8", errors="replace"))

    def _check_size(self, size: int) -> None:
        if size > self._max:
            raise EventTooLarge(f"a line of more than {self._max} bytes")


class ChunkParser:
    """Takes each piece that arrives as one event, whatever the server's chunks were.

    A character that is cut belongs to the event with its last byte.

    Args:
        max_event_bytes: Without effect: a piece is never larger than the receive buffer.
    """

    __slots__ = ("_decoder",)

    def __init__(self, max_event_bytes: int) -> None:  # noqa: ARG002  as other parsers
        self._decoder = _Decoder(errors="replace")

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the piece."""
        if piece:
            yield Event(self._decoder.decode(piece))

    def finish(self) -> Iterator[Event]:
        """Yield nothing."""
        return iter(())
