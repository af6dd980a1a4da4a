"""Everything received, stamped at once and worked on afterwards."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Final, Protocol, TypeAlias

Received: TypeAlias = bytes | Exception | None
"""Bytes, or the connection's end: with an error, or (None) without."""

# Work goes on for so long before the loop looks again for what has come in the meantime. It bounds
# by how much one user's content (JSON, checks) can delay another's stamp: this, and one step.
_SLICE_NS: Final = 250_000


class Reader(Protocol):
    """Whoever received something."""

    def take(self, received: Received, at_ns: int) -> None:
        """Work on what was received at this instant."""


class Inbox:
    """Between the sockets and the work.

    The event loop hands over what all readable sockets have before it runs what was scheduled by
    `call_soon`. So everything there is gets its stamp before any of it is worked on.
    """

    __slots__ = ("_at_work", "_items", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[tuple[Reader, Received, int]] = deque()
        self._at_work = False

    def put(self, reader: Reader, received: Received) -> None:
        """Stamp what this one received, for later."""
        self._items.append((reader, received, monotonic_ns()))
        if not self._at_work:
            self._at_work = True
            self._loop.call_soon(self._work)

    def soon(self, call: Callable[[], None]) -> None:
        """Have this called after the loop has looked again for what has come."""
        self._loop.call_soon(call)

    def _work(self) -> None:
        items, until_ns = self._items, monotonic_ns() + _SLICE_NS
        while items:
            reader, received, at_ns = items.popleft()
            reader.take(received, at_ns)
            if monotonic_ns() > until_ns:
                break
        if items:
            self._loop.call_soon(self._work)
        else:
            self._at_work = False
