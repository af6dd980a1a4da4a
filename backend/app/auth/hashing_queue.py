"""Bounded, fair queue in front of password hashing, the most expensive work of the service.

Hashing takes tens of milliseconds of a core, and each log-in of a stranger needs it. Clients take
turns, so that a client with one log-in does not wait behind the thousand of another. If the queue
is full, the newest log-in of the client with the most is refused (longest queue drop, which keeps a
client within its share: Suter et al., "Buffer management schemes for supporting TCP in gigabit
routers with per-flow queueing", IEEE JSAC 17 (1999)).

A request takes its place before anything is done for it, and keeps it until its turn comes or its
response begins. So one that is refused costs little, and no more requests use the database, the
counters and the parser at once than may wait.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter
from typing import Protocol

from starlette.types import Message, Receive, Scope, Send

from app.auth.passwords import THREADS
from app.client_address import sender
from app.errors import Unavailable
from app.strict_route import StrictRoute

_FIRST_ESTIMATE_S = 0.05
_WEIGHT = 0.1
"""Weight of the newest duration in the moving average, which thus follows the last ten or so."""


class QueueObserver(Protocol):
    """Receiver of events of the queue."""

    def on_waiting(self, waiting: int) -> None:
        """Receive the number of waiting requests after a change."""

    def on_refusal(self) -> None:
        """Receive the refusal of a request."""


class Place:
    """The place of one request in the queue.

    Attributes:
        client: Address of the client, or its network.
    """

    __slots__ = ("_queue", "client", "had_turn", "refusal", "turn_comes")

    def __init__(self, queue: "HashingQueue", client: str) -> None:
        self._queue = queue
        self.client = client
        self.had_turn = False
        self.refusal: Unavailable | None = None
        self.turn_comes: asyncio.Future[None] | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a thread and keep it in the block.

        Raises:
            Unavailable: The place was given to another client.
        """
        await self._queue.wait(self)
        started_s = perf_counter()
        try:
            yield
        finally:
            self._queue.end_turn(perf_counter() - started_s)


class HashingQueue:
    """Requests that hash a password, or wait for one of the threads that do."""

    def __init__(self, max_waiting: int, observer: QueueObserver) -> None:
        self._max_waiting = max_waiting
        self._observer = observer
        self._free = THREADS
        self._duration_s = _FIRST_ESTIMATE_S
        self._places = 0
        self._taken: dict[str, dict[Place, None]] = {}
        """Places of each client that have not had their turn, the oldest first."""
        self._waiting: dict[str, deque[Place]] = {}
        """Places of each client that wait for a thread, in order of their turns."""

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a thread."""
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def place(self, client: str) -> Iterator[Place]:
        """Take a place, and keep it until its turn, or to the end of the block.

        Raises:
            Unavailable: The queue is full, and no other client has a larger part of it.
        """
        if self._places >= self._max_waiting + self._free:
            self._make_room(client)
        place = Place(self, client)
        self._places += 1
        self._taken.setdefault(client, {})[place] = None
        try:
            yield place
        finally:
            self.leave(place)

    def leave(self, place: Place) -> None:
        """Give up a place; it can be called more than once."""
        taken = self._taken.get(place.client, {})
        if place in taken:
            self._places -= 1
            del taken[place]
            if not taken:
                del self._taken[place.client]

    def _make_room(self, client: str) -> None:
        longest = max(self._taken.values(), key=len)
        if len(longest) <= len(self._taken.get(client, ())) + 1:
            raise self._refusal()
        newest = next(reversed(longest))
        newest.refusal = self._refusal()
        if newest.turn_comes is not None and not newest.turn_comes.done():
            newest.turn_comes.set_exception(newest.refusal)
        self._remove(newest)
        self.leave(newest)

    async def wait(self, place: Place) -> None:
        """Wait until one of the threads is the place's own; `end_turn` gives it back.

        Raises:
            Unavailable: The place was given to another client.
        """
        if place.refusal is not None:
            raise place.refusal
        if self._free:
            self._free -= 1
            self._have_turn(place)
            return
        turn_comes = place.turn_comes = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place.client, deque()).append(place)
        self._observer.on_waiting(self.waiting)
        try:
            await turn_comes
        except asyncio.CancelledError:
            if place.had_turn:
                self._give_turn()
            else:
                self._remove(place)
            raise

    def end_turn(self, duration_s: float) -> None:
        """Give the thread of a request, which has hashed for `duration_s`, to the next client."""
        self._duration_s += _WEIGHT * (duration_s - self._duration_s)
        self._give_turn()

    def _remove(self, place: Place) -> None:
        waiting = self._waiting.get(place.client)
        if waiting is not None and place in waiting:
            waiting.remove(place)
            if not waiting:
                del self._waiting[place.client]
            self._observer.on_waiting(self.waiting)

    def _give_turn(self) -> None:
        """Give a free thread to the next client, and move that client to the end."""
        while self._waiting:
            client = next(iter(self._waiting))
            waiting = self._waiting.pop(client)
            place = waiting.popleft()
            if waiting:
                self._waiting[client] = waiting
            self._observer.on_waiting(self.waiting)
            assert place.turn_comes is not None
            if not place.turn_comes.done():  # a cancelled request has not left yet
                self._have_turn(place)
                place.turn_comes.set_result(None)
                return
        self._free += 1

    def _have_turn(self, place: Place) -> None:
        place.had_turn = True
        self.leave(place)

    def _refusal(self) -> Unavailable:
        self._observer.on_refusal()
        empty_in_s = self.waiting * self._duration_s / THREADS
        return Unavailable(
            "Too many log-ins at once. Try again later.",
            code="hashing_queue_full",
            retry_after_s=max(1, math.ceil(empty_in_s)),
        )


class HashingRoute(StrictRoute):
    """A route whose requests have a place in the queue before anything else is done with them.

    The endpoint finds it as `request.scope["hashing_place"]`.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, unless the queue is full."""
        queue: HashingQueue = scope["app"].state.hashing_queue
        with queue.place(sender(scope["client"][0])) as place:
            scope["hashing_place"] = place

            async def leave_and_send(message: Message) -> None:
                queue.leave(place)  # a client may take long to read its response
                await send(message)

            await super().handle(scope, receive, leave_and_send)
