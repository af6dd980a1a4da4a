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


class ReceiveQueue:
    """Between the sockets and the work.

    The event loop hands over what all readable sockets have before it runs what was scheduled by
    `call_soon`. So everything there is gets its stamp before any of it is worked on.
    """

    __slots__ = ("_at_work", "_items", "_loop", "_turns")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[tuple[Reader, Received, int]] = deque()
        self._turns: deque[Callable[[], object]] = deque()
        self._at_work = False

    def put(self, reader: Reader, received: Received) -> None:
        """Stamp what this one received, for later."""
        self._items.append((reader, received, monotonic_ns()))
        if not self._at_work:
            self._wake()

    def turn(self, call: Callable[[], object]) -> None:
        """Have this called, too, when its turn comes: some of a piece of work without a hurry."""
        self._turns.append(call)
        if not self._at_work:
            self._wake()

    def _wake(self) -> None:
        self._at_work = True
        self._loop.call_soon(self._work)

    def _work(self) -> None:
        items, turns, until_ns = self._items, self._turns, monotonic_ns() + _SLICE_NS
        while items:
            reader, received, at_ns = items.popleft()
            reader.take(received, at_ns)
            if monotonic_ns() > until_ns:
                break
        while turns:
            turns.popleft()()
            if monotonic_ns() > until_ns:
                break
        if items or turns:
            self._loop.call_soon(self._work)
        else:
            self._at_work = False
