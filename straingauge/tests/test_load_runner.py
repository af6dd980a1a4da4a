"""One process's part in a load, up to its start: which users count as logged in."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from raw_server import answering, serve
from straingauge.http import Request, Response
from straingauge.journey import Journey, Pause, User, mix
from straingauge.runner import LoadRunner, LoadSpec, LoginCache
from straingauge.schedule import constant_users
from straingauge.workers import Coordinator, LoadAborted, WorkerClient

TEST = "test_it.py::test_load"
FOREVER = Pause(3600)

Steps = Generator[Request | Pause, Response, None]


@pytest.fixture
def clients() -> Iterator[tuple[WorkerClient, WorkerClient]]:
    """Connect two processes (here in one) that share a load: even and odd user numbers."""
    with serve(answering()) as server:
        coordinator = Coordinator(lambda *_: server.url, cores=2)
        yield (
            WorkerClient("gw0", coordinator.connection_info, (TEST,)),
            WorkerClient("gw1", coordinator.connection_info, (TEST,)),
        )
        coordinator.close()


def run(
    clients: tuple[WorkerClient, WorkerClient], users: list[User], log_in: Journey
) -> LoginCache:
    """Let gw0 log in its users while gw1 has only joined; return the log-ins."""
    spec = LoadSpec(
        name="load",
        test=TEST,
        test_file=Path(__file__),
        max_processes=2,
        journeys=mix(log_in),
        schedule=constant_users(count=len(users), iterations=1),
        users=users,
        log_in=log_in,
    )
    logins = LoginCache()
    with ThreadPoolExecutor(1) as other:
        other.submit(clients[1].join, TEST, 2)
        with pytest.raises(LoadAborted, match="gw1: status 503"):
            LoadRunner(spec, clients[0], "gw0").run(logins)
    return logins


def test_interrupted_log_in_does_not_count(clients: tuple[WorkerClient, WorkerClient]):
    """A log-in that another process's failure interrupted has to be repeated."""
    users = [User(0), User(1), User(2)]

    def log_in(user: User) -> Steps:
        if user.index == 2:
            while not users[0].headers:
                yield Pause(0.01)
            clients[1].fail("status 503", None)
            yield FOREVER
        yield user.get("/login")
        user.authorize("token")

    logins = run(clients, users, log_in)
    assert logins.missing([users[0], users[2]]) == [users[2]]
