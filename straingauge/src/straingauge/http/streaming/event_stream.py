"""Server-sent events, by the WHATWG's rules for `text/event-stream`.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from collections.abc import Iterator
from typing import Final

from straingauge.http.streaming.event import Event

_MARK: Final = b"\xef\xbb\xbf"  # a byte order mark at the beginning is skipped


class EventTooLarge(ValueError):
    """One event is larger than the limit."""


class EventStreamParser:
    """Cuts a body into events, as its pieces arrive.

    An event is complete at the empty line behind it: one that is cut off there is discarded.

    Args:
        max_event_bytes: The size limit of one event.
    """

    __slots__ = (
        "_data",
        "_id",
        "_is_after_cr",
        "_line",
        "_max",
        "_retry_ms",
        "_size",
        "_start",
        "_type",
    )

    def __init__(self, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._line = bytearray()  # begun, and not ended
        self._is_after_cr = False  # a line feed that follows belongs to that line's end
        self._start: bytes | None = b""  # the first bytes, which may be a byte order mark
        self._size = 0
        self._data: list[bytes] = []
        self._type = ""
        self._id = ""
        self._retry_ms: int | None = None

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that this piece completes.

        Raises:
            EventTooLarge: An event is larger than the limit.
        """
        if self._start is not None:
            piece = self._without_mark(piece)
        if self._is_after_cr and piece:
            self._is_after_cr = False
            piece = piece.removeprefix(b"\n")
        if not piece:
            return
        lines = piece.splitlines()  # of bytes: at CR, LF and CRLF, and at nothing else
        is_complete = piece.endswith((b"\r", b"\n"))
        self._is_after_cr = piece.endswith(b"\r")
        unfinished = b"" if is_complete else lines.pop()
        for line in lines:
            if self._line:
                line = bytes(self._line) + line  # noqa: PLW2901  its beginning came before
                self._line.clear()
            if line:
                self._read(line)
            elif (event := self._dispatch()) is not None:
                yield event
        self._line += unfinished
        self._check_size(len(self._line))

    def finish(self) -> Iterator[Event]:
        """Yield nothing: an event without its empty line is discarded."""
        return iter(())

    def _without_mark(self, piece: bytes) -> bytes:
        start = (self._start or b"") + piece
        if len(start) < len(_MARK) and _MARK.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_MARK)

    def _read(self, line: bytes) -> None:
        """Read one field."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value) + 1
            self._check_size(0)
            self._data.append(value)
        elif name == b"event":
            self._type = value.decode("utf-8", errors="replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", errors="replace")
        elif name == b"retry" and value.isdigit():
            self._retry_ms = int(value[:18])

    def _dispatch(self) -> Event | None:
        """Return the event that an empty line ends; None if it has no data."""
        data, kind = self._data, self._type
        self._data, self._type, self._size = [], "", 0
        if not data:
            return None
        text = b"\n".join(data).decode("utf-8", errors="replace")
        return Event(text, kind or "message", self._id, self._retry_ms)

    def _check_size(self, more_bytes: int) -> None:
        if self._size + more_bytes > self._max:
            raise EventTooLarge(f"an event of more than {self._max} bytes")
