"""Export requests as received, in bounded memory; they are read after the load."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_FOREIGN_BYTES: Final = 1024 * 1024  # enough to count and name what else arrives


@dataclass(frozen=True, slots=True)
class Message:
    """The body of one export request, decompressed.

    Attributes:
        body: The bytes.
        is_json: It is JSON, not protobuf.
    """

    body: bytes
    is_json: bool


class SpanBuffer:
    """Keeps export requests until they are read; any thread may add one.

    Reading spans takes long enough to delay the requests of a load, so it happens afterwards.

    Args:
        prefix: The first half of the trace ids of this run, in hexadecimal. Requests without one
            of them are kept up to a lower limit.

    Attributes:
        prefix: The same.
        refused: Number of requests to the receiver that it refused.
        over_limit: Number of export requests that were not kept.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._marks = (prefix.encode(), bytes.fromhex(prefix))
        self._lock = threading.Lock()
        self._messages: list[Message] = []
        self._bytes = self._foreign_bytes = 0
        self.refused = self.over_limit = 0

    def add(self, message: Message) -> None:
        """Keep an export request, if there is room for it."""
        size, is_own = len(message.body), self._is_own(message)
        with self._lock:
            room = MAX_BYTES - self._bytes if is_own else MAX_FOREIGN_BYTES - self._foreign_bytes
            if size > room:
                self.over_limit += 1
                return
            self._messages.append(message)
            if is_own:
                self._bytes += size
            else:
                self._foreign_bytes += size

    def has_trace(self, trace_id: str) -> bool:
        """Return true if a span of this trace has arrived."""
        text, raw = trace_id.encode(), bytes.fromhex(trace_id)
        return any((text if each.is_json else raw) in each.body for each in self)

    def add_refused(self) -> None:
        """Count a request that was refused."""
        with self._lock:
            self.refused += 1

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        with self._lock:
            return iter(list(self._messages))

    def _is_own(self, message: Message) -> bool:
        text, raw = self._marks
        return (text in message.body.lower()) if message.is_json else raw in message.body
