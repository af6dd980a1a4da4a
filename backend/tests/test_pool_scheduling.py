"""The connection pool under random arrivals, cancellations, time-outs and failed connections.

Time is virtual, so that any two events can fall on one moment, in any order.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from unittest import mock

from app import pool as pool_module
from app.errors import Unavailable
from app.pool import InstrumentedPool, TimedConnection
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util.concurrency import await_only, greenlet_spawn
from virtual_time import run

SIZE = 2
TIMEOUT_MS = 10.25
"""Not due when a connection is returned (a multiple of 0.5), so no time-out is by coincidence."""


class Connection(TimedConnection):
    """A connection to nothing."""

    _protocol = None  # for asyncpg's `__del__`

    def __init__(self, pool: "Simulation") -> None:
        self._pool = pool
        self.lost = False

    def is_closed(self) -> bool:
        """Return True if the server has closed the connection."""
        return self.lost

    def rollback(self) -> None:
        """End a transaction; SQLAlchemy calls this when a connection is returned."""

    def close(self) -> None:
        """Close the connection; SQLAlchemy calls this."""
        self._pool.open_connections -= 1


@dataclass(frozen=True)
class Opening:
    """One attempt to open a connection, in ms; it may fail."""

    duration_ms: int
    fails: bool


@dataclass(frozen=True)
class Request:
    """One request; times in ms.

    Attributes:
        arrives_ms: Time of arrival.
        ticks: Turns of the event loop that it lets pass before it asks for a connection.
        in_greenlet: True for the way of an ORM session, False for the way of a plain statement.
        holds_ms: Time for which it keeps the connection.
        loses: True if the server closes its connection.
        cancelled_ms: Time from arrival to its cancellation; None if it is not cancelled.
    """

    arrives_ms: int
    ticks: int
    in_greenlet: bool
    holds_ms: int
    loses: bool
    cancelled_ms: float | None


requests = st.builds(
    Request,
    arrives_ms=st.integers(0, 12),
    ticks=st.integers(0, 3),
    in_greenlet=st.booleans(),
    holds_ms=st.integers(0, 8),
    loses=st.booleans(),
    cancelled_ms=st.none() | st.integers(0, 30).map(lambda half_ms: half_ms / 2),
)
openings = st.lists(st.builds(Opening, st.integers(0, 6), st.booleans()), max_size=12)


@dataclass
class Simulation:
    """A pool, its connections, and when requests arrived and were served."""

    openings: Iterator[Opening]
    base_size: int
    open_connections: int = 0
    arrived: list[int] = field(default_factory=list)
    served_ms: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pool = InstrumentedPool(
            lambda: await_only(self._open()),
            pool_size=SIZE,
            max_overflow=0,
            timeout=TIMEOUT_MS / 1000,
        )
        self.pool.base_size = self.base_size
        self.pool.max_waiters = 100

    async def _open(self) -> Connection:
        opening = next(self.openings, Opening(0, fails=False))
        self.open_connections += 1
        assert self.open_connections <= SIZE
        succeeded = False
        try:
            if opening.duration_ms:
                await asyncio.sleep(opening.duration_ms / 1000)
            succeeded = not opening.fails
        finally:
            self.open_connections -= not succeeded
        if not succeeded:
            raise Unavailable("no database", code="database_unavailable")
        return Connection(self)

    async def serve(self, number: int, request: Request) -> None:
        """Serve one request."""
        await asyncio.sleep(request.arrives_ms / 1000)
        for _ in range(request.ticks):
            await asyncio.sleep(0)
        self.arrived.append(number)
        try:
            proxy = await self._check_out(in_greenlet=request.in_greenlet)
        except Unavailable as error:
            if error.code == "pool_exhausted":
                assert self.pool.state.in_use + self.pool._queue.permitted == SIZE
            return
        self.served_ms[number] = round(asyncio.get_running_loop().time() * 1000, 3)
        try:
            await asyncio.sleep(request.holds_ms / 1000)
        finally:
            connection = proxy.driver_connection
            assert isinstance(connection, Connection)
            connection.lost = request.loses
            if request.in_greenlet or self.pool.closes_on_return:
                await greenlet_spawn(proxy.close)
            else:
                proxy.close()

    async def _check_out(self, *, in_greenlet: bool) -> PoolProxiedConnection:
        if in_greenlet:
            return await greenlet_spawn(self.pool.connect)
        return await self.pool.checkout()

    async def run(self, requests: Sequence[Request]) -> None:
        """Serve all requests, then check that all connections are available."""
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self.serve(*numbered), name=str(numbered[0]))
            for numbered in enumerate(requests)
        ]
        cancelled: list[asyncio.Task[None]] = []

        def cancel(task: asyncio.Task[None]) -> None:
            if task.cancel():
                cancelled.append(task)

        for request, task in zip(requests, tasks, strict=True):
            if request.cancelled_ms is not None:
                at_s = (request.arrives_ms + request.cancelled_ms) / 1000
                loop.call_at(at_s, cancel, task)
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in cancelled), "a cancellation was lost"
        for task in set(tasks) - set(cancelled):
            task.result()
        assert self.pool.waiting == self.pool.state.in_use == self.pool._queue.permitted == 0
        self.openings = iter(())  # the database is available
        proxies = [await self.pool.checkout() for _ in range(SIZE)]
        for proxy in proxies:
            proxy.close()


@given(
    requests=st.lists(requests, min_size=1, max_size=14),
    openings=openings,
    base_size=st.integers(1, SIZE),
)
def test_no_connection_is_lost_and_no_waiter_forgotten(
    requests: list[Request], openings: list[Opening], base_size: int
):
    """Any order of events leaves all connections available; waiting ends only if all are in use."""
    with mock.patch.object(pool_module, "_OVERFLOW_IDLE_S", 0):
        run(Simulation(iter(openings), base_size).run(requests))


@given(requests=st.lists(requests, min_size=1, max_size=14))
def test_requests_are_served_in_the_order_of_their_arrival(requests: list[Request]):
    """No request gets a connection while one that arrived earlier waits."""
    simulation = Simulation(iter(()), SIZE)
    run(simulation.run(requests))
    served_ms = simulation.served_ms
    times_ms = [served_ms[number] for number in simulation.arrived if number in served_ms]
    assert times_ms == sorted(times_ms)
