"""The course of a load in one process, up to its start: who counts as logged in."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import answering, serve
from straingauge.http import Request, Response
from straingauge.journey import Journey, Pause, User, mix
from straingauge.observe import MetricNames
from straingauge.runner.load_runner import LoadOrder, LoadRunner, LoginCache
from straingauge.schedule import constant_users
from straingauge.workers import Coordinator, LoadAborted, WorkerClient

TEST = "test_it.py::test_load"
FOR_EVER = Pause(3600)

Steps = Generator[Request | Pause, Response, None]


@pytest.fixture
def fleet() -> Iterator[tuple[WorkerClient, WorkerClient]]:
    """Two processes (here in one) that share a load: users with even numbers, and with odd ones."""
    with serve(answering()) as server:
        rendezvous = Coordinator(lambda _near: server.url, cores=2)
        yield (
            WorkerClient("gw0", rendezvous.invitation, (TEST,)),
            WorkerClient("gw1", rendezvous.invitation, (TEST,)),
        )
        rendezvous.close()


def run(fleet: tuple[WorkerClient, WorkerClient], crowd: list[User], log_in: Journey) -> LoginCache:
    """Let gw0 log in its users while gw1 has done no more than come; gives who counts as such."""
    order = LoadOrder(
        test=TEST,
        near="",
        at_most=2,
        journeys=mix(log_in),
        schedule=constant_users(count=len(crowd), iterations=1),
        crowd=crowd,
        log_in=log_in,
        warm_up=None,
        verify=None,
        timeout_s=30,
        allowed_hosts=frozenset(),
        names=MetricNames(),
    )
    logged_in = LoginCache()
    with ThreadPoolExecutor(1) as other:
        other.submit(fleet[1].join, TEST, 2)
        with pytest.raises(LoadAborted, match="gw1: status 503"):
            LoadRunner(order, fleet[0], "gw0").run(lambda _url: {}, logged_in)
    return logged_in


def test_log_in_that_was_cut_off_is_none(fleet: tuple[WorkerClient, WorkerClient]):
    """Who was in the middle of a log-in when another process gave up has to log in again."""
    crowd = [User(0), User(1), User(2)]

    def log_in(user: User) -> Steps:
        if user.index == 2:
            while not crowd[0].headers:
                yield Pause(0.01)
            fleet[1].fail("status 503")
            yield FOR_EVER
        yield user.get("/login")
        user.authorize("token")

    logged_in = run(fleet, crowd, log_in)
    assert logged_in.missing([crowd[0], crowd[2]]) == [crowd[2]]
