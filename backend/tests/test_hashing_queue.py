"""Clients take turns at hashing, no turn is lost, and the queue stays within its bound."""

import asyncio
from dataclasses import dataclass, field

import pytest
from app.auth.hashing_queue import HashingQueue
from app.auth.passwords import THREADS
from app.errors import Unavailable
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import run


@dataclass
class Observer:
    """Receiver of events of the queue."""

    waiting: int = 0
    refusals: int = 0

    def on_waiting(self, waiting: int) -> None:
        """Keep the number of waiting requests."""
        self.waiting = waiting

    def on_refusal(self) -> None:
        """Count a refusal."""
        self.refusals += 1


@dataclass
class Clients:
    """Requests of several clients, and the order in which they were served."""

    max_waiting: int
    entering_s: float = 0
    busy: int = 0
    served: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.observer = Observer()
        self.queue = HashingQueue(self.max_waiting, self.observer)

    async def request(self, client: str, hashing_s: float = 1) -> None:
        """Hash once."""
        try:
            with self.queue.place(client) as place:
                if self.entering_s:
                    await asyncio.sleep(self.entering_s)
                async with place.turn():
                    await self._hash(client, hashing_s)
        except Unavailable:
            self.refused.append(client)
        assert self.queue.waiting == self.observer.waiting <= self.max_waiting

    async def _hash(self, client: str, hashing_s: float) -> None:
        self.busy += 1
        assert self.busy <= THREADS
        self.served.append(client)
        try:
            await asyncio.sleep(hashing_s)
        finally:
            self.busy -= 1


def test_clients_take_turns():
    """A client with one request is served after one request of each other client."""
    clients = Clients(100)

    async def scenario() -> None:
        requests = [*("a" for _ in range(THREADS + 20)), *("b" for _ in range(5)), "c"]
        await asyncio.gather(*map(clients.request, requests))

    run(scenario())
    assert clients.served[THREADS : THREADS + 6] == ["a", "b", "c", "a", "b", "a"]
    assert not clients.refused


def test_the_newest_request_of_the_longest_client_is_refused():
    """A full queue takes a request of a new client, and refuses one of the client with the most."""
    clients = Clients(4)

    async def scenario() -> None:
        names = [*("a" for _ in range(THREADS)), "a", "a", "a", "b", "a", "b", "c", "d", "e"]
        await asyncio.gather(*map(clients.request, names))

    run(scenario())
    assert sorted(clients.refused) == ["a", "a", "a", "b", "e"]
    assert clients.served[THREADS:] == ["a", "b", "c", "d"]


def test_retry_after_is_the_time_until_the_queue_is_empty():
    """Retry-After grows with the queue and with the duration of hashing."""
    clients = Clients(100 * THREADS)

    async def scenario() -> str:
        tasks = [asyncio.create_task(clients.request("a")) for _ in range(101 * THREADS)]
        await asyncio.sleep(0.01)
        with pytest.raises(Unavailable) as refused, clients.queue.place("a"):
            pass
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert refused.value.headers is not None
        return refused.value.headers["Retry-After"]

    assert run(scenario()) == "5"  # 100 requests per thread at an estimated 50 ms


def test_requests_that_do_not_wait_yet_have_places():
    """Requests that are still being read are bounded, too, and give way to another client."""
    clients = Clients(4, entering_s=1)

    async def scenario() -> None:
        await asyncio.gather(*map(clients.request, [*("a" for _ in range(THREADS + 6)), "b"]))

    run(scenario())
    assert sorted(clients.refused) == ["a", "a", "a"]
    assert clients.served.count("b") == 1


@given(
    requests=st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.integers(0, 8),  # arrives
            st.integers(0, 5),  # hashes for
            st.none() | st.integers(0, 8),  # is cancelled after
        ),
        max_size=16,
    ),
    max_waiting=st.integers(1, 6),
    entering_s=st.integers(0, 2),
)
def test_no_turn_is_lost(
    requests: list[tuple[str, int, int, int | None]], max_waiting: int, entering_s: int
):
    """After any arrivals and cancellations all threads are free and no request has a place."""
    clients = Clients(max_waiting, entering_s)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        async def arrive(client: str, at_s: int, hashing_s: int) -> None:
            await asyncio.sleep(at_s)
            await clients.request(client, hashing_s)

        tasks = []
        cancelled: list[asyncio.Task[None]] = []

        def cancel(task: asyncio.Task[None]) -> None:
            if task.cancel():
                cancelled.append(task)

        for client, at_s, hashing_s, cancelled_s in requests:
            task = loop.create_task(arrive(client, at_s, hashing_s))
            tasks.append(task)
            if cancelled_s is not None:
                loop.call_at(at_s + cancelled_s, cancel, task)
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            assert task.cancelled() if task in cancelled else task.exception() is None
        assert clients.queue.waiting == clients.observer.waiting == 0
        assert (clients.queue._places, clients.queue._taken) == (0, {})
        assert clients.observer.refusals == len(clients.refused)
        clients.served.clear()
        await asyncio.gather(*(clients.request("a", 0) for _ in range(THREADS)))
        assert len(clients.served) == THREADS

    run(scenario())
