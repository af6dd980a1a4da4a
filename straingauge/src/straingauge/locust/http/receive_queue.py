"""Everything received, stamped at once and worked on afterwards; see also the engine's inbox."""

from collections import deque
from time import monotonic_ns
from typing import Final, Protocol, TypeAlias

from gevent.hub import Hub

Received: TypeAlias = bytes | OSError
"""Bytes, or the connection's end: none of them, or an error."""

# As the engine's: for so long users go on before the sockets are looked at again.
_SLICE_NS: Final = 250_000


class Reader(Protocol):
    """Whoever received something."""

    def take(self, received: Received, at_ns: int) -> None:
        """Work on what was received at this instant; called in the hub."""


class ReceiveQueue:
    """Between the sockets and the greenlets of one hub.

    The hub hands over what all readable sockets have before it runs what was scheduled by
    `run_callback`. So everything there is gets its stamp before any greenlet goes on.
    """

    __slots__ = ("_again", "_at_work", "_items", "_loop")

    def __init__(self, hub: Hub) -> None:
        self._loop = hub.loop
        self._items: deque[tuple[Reader, Received, int]] = deque()
        self._at_work = False
        # A timer fires after the sockets were looked at, which a callback need not.
        self._again = hub.loop.timer(0)

    def put(self, reader: Reader, received: Received) -> None:
        """Stamp what this one received, for later."""
        self._items.append((reader, received, monotonic_ns()))
        if not self._at_work:
            self._at_work = True
            self._loop.run_callback(self._work)

    def _work(self) -> None:
        items, until_ns = self._items, monotonic_ns() + _SLICE_NS
        while items:
            reader, received, at_ns = items.popleft()
            reader.take(received, at_ns)
            if monotonic_ns() > until_ns:
                break
        if items:
            self._again.stop()
            self._again.start(self._work)
        else:
            self._at_work = False
