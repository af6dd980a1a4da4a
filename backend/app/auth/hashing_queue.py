"""Bounded, fair queue in front of password hashing, the most expensive work of the service.

Hashing takes tens of milliseconds of a core, and each log-in of a stranger needs it. Clients take
turns, so that a client with one log-in does not wait behind the thousand of another. If the queue
is full, the newest log-in of the client with the most is refused (longest queue drop, which keeps a
client within its share: Suter et al., "Buffer management schemes for supporting TCP in gigabit
routers with per-flow queueing", IEEE JSAC 17 (1999)).
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Protocol

from app.auth.passwords import THREADS
from app.errors import Unavailable

_FIRST_ESTIMATE_S = 0.05
_WEIGHT = 0.1
"""Weight of the newest duration in the moving average, which thus follows the last ten or so."""


class QueueObserver(Protocol):
    """Receiver of events of the queue."""

    def on_waiting(self, waiting: int) -> None:
        """Receive the number of waiting requests after a change."""

    def on_refusal(self) -> None:
        """Receive the refusal of a request."""


class HashingQueue:
    """Requests that wait for one of the threads that hash."""

    def __init__(self, max_waiting: int, observer: QueueObserver) -> None:
        self._max_waiting = max_waiting
        self._observer = observer
        self._free = THREADS
        self._duration_s = _FIRST_ESTIMATE_S
        self._clients: dict[str, deque[asyncio.Future[None]]] = {}
        """Waiting requests of each client, in order of their turns."""

    @property
    def waiting(self) -> int:
        """Number of waiting requests."""
        return sum(map(len, self._clients.values()))

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Wait for a thread and keep it in the block.

        Raises:
            Unavailable: The queue is full.
        """
        await self._wait(client)
        started_s = perf_counter()
        try:
            yield
        finally:
            self._duration_s += _WEIGHT * (perf_counter() - started_s - self._duration_s)
            self._give_turn()

    async def _wait(self, client: str) -> None:
        if self._free:
            self._free -= 1
            return
        if self.waiting >= self._max_waiting:
            self._make_room(client)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clients.setdefault(client, deque()).append(turn)
        self._observer.on_waiting(self.waiting)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_turn()
            else:
                self._remove(client, turn)
            raise

    def _make_room(self, client: str) -> None:
        own = len(self._clients.get(client, ()))
        longest = max(self._clients, key=lambda each: len(self._clients[each]))
        if len(self._clients[longest]) <= own + 1:
            raise self._refusal()
        newest = self._clients[longest][-1]
        if not newest.done():  # a cancelled request has not left yet
            newest.set_exception(self._refusal())
        self._remove(longest, newest)

    def _remove(self, client: str, turn: asyncio.Future[None]) -> None:
        waiting = self._clients.get(client)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._clients[client]
            self._observer.on_waiting(self.waiting)

    def _give_turn(self) -> None:
        """Give a free thread to the next client, and move that client to the end."""
        while self._clients:
            client = next(iter(self._clients))
            waiting = self._clients.pop(client)
            turn = waiting.popleft()
            if waiting:
                self._clients[client] = waiting
            self._observer.on_waiting(self.waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _refusal(self) -> Unavailable:
        self._observer.on_refusal()
        empty_in_s = self.waiting * self._duration_s / THREADS
        return Unavailable(
            "Too many log-ins at once. Try again later.",
            code="hashing_queue_full",
            retry_after_s=max(1, math.ceil(empty_in_s)),
        )
