import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from typing import Any

import pytest
from straingauge.errors import TargetError
from straingauge.workers import (
    Coordinator,
    CoordinatorError,
    LoadAborted,
    MergedReports,
    Report,
    WorkerClient,
)
from straingauge.workers.messages import Hello

TEST = "test_it.py::test_load"


@pytest.fixture
def open_rendezvous() -> Iterator[Callable[..., Coordinator]]:
    """Opens rendezvous that are closed in the end."""
    opened: list[Coordinator] = []

    def open_one(find: Callable[[str], str] = lambda _: "http://x", **given: Any) -> Coordinator:  # noqa: ANN401  its own arguments
        opened.append(Coordinator(find, cores=8, **given))
        return opened[-1]

    yield open_one
    for rendezvous in opened:
        rendezvous.close()


def report(name: str, requests: int = 0) -> Report:
    """What a process has measured."""
    return Report(name, time.monotonic_ns(), requests, b"")


def members(rendezvous: Coordinator, count: int) -> list[WorkerClient]:
    """Processes (threads here) that are connected."""
    return [WorkerClient(f"gw{i}", rendezvous.invitation, (TEST,)) for i in range(count)]


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What each gives, run at once; an error instead of a value where one is raised."""

    def outcome(call: Callable[[], Any]) -> object:
        try:
            return call()
        except CoordinatorError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def test_whole_course(open_rendezvous: Callable[..., Coordinator]):
    """Processes that meet over connections start at one instant; the leader gets all figures."""
    rendezvous = open_rendezvous()
    fleet = members(rendezvous, 3)
    seats = together(*(lambda m=m: m.join(TEST, 99) for m in fleet))
    assert [seat.index for seat in seats] == [0, 1, 2]
    starts = together(*(lambda m=m, i=i: m.ready(report(f"gw{i}")) for i, m in enumerate(fleet)))
    assert len(set(starts)) == 1
    together(*(lambda m=m, i=i: m.played(report(f"gw{i}", i)) for i, m in enumerate(fleet)))
    ends = together(*(lambda m=m, i=i: m.end(report(f"gw{i}", i)) for i, m in enumerate(fleet)))
    assert isinstance(ends[0], MergedReports)
    assert [each.requests for each in ends[0].reports] == [0, 1, 2]
    assert ends[1:] == [None, None]


def test_silent_process_is_lost(open_rendezvous: Callable[..., Coordinator]):
    """A process that says nothing for too long while load is on is given up, for that reason."""
    rendezvous = open_rendezvous(silent_while_playing_s=0.5)
    fleet = members(rendezvous, 2)
    together(*(lambda m=m: m.join(TEST, 99) for m in fleet))
    together(*(lambda m=m, i=i: m.ready(report(f"gw{i}")) for i, m in enumerate(fleet)))
    fleet[0].played(report("gw0"))
    merged = fleet[0].end(report("gw0"))
    assert merged is not None
    (lost,) = merged.lost
    assert (lost.process, lost.reason) == ("gw1", "nothing was heard of it for 0.5 s")


def test_stranger_is_not_served(open_rendezvous: Callable[..., Coordinator]):
    """Whoever does not know the secret is turned away, and the others are served on."""
    rendezvous = open_rendezvous()
    invitation = rendezvous.invitation
    with pytest.raises(AuthenticationError):
        Client((str(invitation["host"]), int(invitation["port"])), authkey=b"guessed")
    (member,) = members(rendezvous, 1)
    assert member.join(TEST, 1).leads


def test_address_is_found_once(open_rendezvous: Callable[..., Coordinator]):
    """The service is started once, however many processes ask where it is."""
    found: list[str] = []

    def find(near: str) -> str:
        found.append(near)
        return "http://127.0.0.1:1"

    fleet = members(open_rendezvous(find), 4)
    urls = together(*(lambda m=m: m.address("here") for m in fleet))
    assert urls == ["http://127.0.0.1:1"] * 4
    assert found == ["here"]


def test_missing_service_is_told_to_all(open_rendezvous: Callable[..., Coordinator]):
    """Why the service could not be started is told to each process, with what to try."""

    def find(_near: str) -> str:
        raise TargetError("no PostgreSQL", hint="install it")

    errors = together(*(lambda m=m: m.address("") for m in members(open_rendezvous(find), 3)))
    assert [(str(error), error.hint) for error in errors] == [("no PostgreSQL", "install it")] * 3


def test_end_of_session_frees_who_waits(open_rendezvous: Callable[..., Coordinator]):
    """When the session ends, nobody waits any longer for a load that will not come."""
    rendezvous = open_rendezvous()
    first, _second = members(rendezvous, 2)
    threading.Timer(0.2, rendezvous.stop, ["the session ends"]).start()
    with pytest.raises(LoadAborted, match="the session ends"):
        first.join(TEST, 99)


def test_gone_controller_is_noticed(open_rendezvous: Callable[..., Coordinator]):
    """A process whose controller has gone fails at once; it does not hang."""
    rendezvous = open_rendezvous()
    first, _second = members(rendezvous, 2)
    threading.Timer(0.2, rendezvous.close).start()
    with pytest.raises(CoordinatorError):
        first.join(TEST, 99)


def test_close_from_many_threads(open_rendezvous: Callable[..., Coordinator]):
    """Whoever closes it, and how often: each call returns without an error when all is closed."""
    for _ in range(20):
        rendezvous = open_rendezvous()
        members(rendezvous, 2)
        with ThreadPoolExecutor(4) as pool:
            at_once = threading.Barrier(4)
            calls = [pool.submit(_close, rendezvous, at_once) for _ in range(4)]
        for call in calls:
            call.result()


def _close(rendezvous: Coordinator, at_once: threading.Barrier) -> None:
    at_once.wait()
    rendezvous.close()
    invitation = rendezvous.invitation
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(invitation["host"]), int(invitation["port"])))


def test_silent_stranger_holds_nobody_up(open_rendezvous: Callable[..., Coordinator]):
    """A connection that says nothing delays neither the other processes nor the end."""
    rendezvous = open_rendezvous()
    invitation = rendezvous.invitation
    with socket.create_connection((str(invitation["host"]), int(invitation["port"]))):
        (member,) = members(rendezvous, 1)
        assert member.join(TEST, 1).leads
        rendezvous.close()
        assert not any(thread.is_alive() for thread in rendezvous._threads)


def test_leaving_twice_and_after_the_end(open_rendezvous: Callable[..., Coordinator]):
    """A process may leave again, and when the controlling process has gone."""
    rendezvous = open_rendezvous()
    (member,) = members(rendezvous, 1)
    member.close()
    member.close()
    rendezvous.close()
    member.close()


def test_watcher_ends_the_load_for_all(open_rendezvous: Callable[..., Coordinator]):
    """When the merged figures hold, every process is told one instant to end at."""
    rendezvous = open_rendezvous(watcher=lambda _test, _merged: True)
    fleet = members(rendezvous, 2)
    together(*(lambda m=m: m.join(TEST, 99) for m in fleet))
    together(*(lambda m=m, i=i: m.ready(report(f"gw{i}")) for i, m in enumerate(fleet)))
    give_up = time.monotonic() + 30
    while any(member.halt_at_ns is None for member in fleet):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert fleet[0].halt_at_ns == fleet[1].halt_at_ns


def test_only_invited_processes_have_load_tests(open_rendezvous: Callable[..., Coordinator]):
    """The rendezvous knows the load tests as soon as a process has said hello."""
    rendezvous = open_rendezvous()
    assert rendezvous.load_tests == set()
    members(rendezvous, 1)
    assert rendezvous.load_tests == set(Hello("gw0", (TEST,)).tests)


def test_nobody_waits_for_a_controller_that_has_gone(open_rendezvous: Callable[..., Coordinator]):
    """When the controlling process is gone, all that a process asks of it fails, and at once."""
    rendezvous = open_rendezvous()
    (member,) = members(rendezvous, 1)
    rendezvous.close()
    with pytest.raises(LoadAborted, match="has gone"):
        member.join(TEST, 1)
    for _ in range(3):
        with pytest.raises(CoordinatorError, match="has gone"):
            member.left(TEST, None)


def test_no_load_begins_before_all_have_come(open_rendezvous: Callable[..., Coordinator]):
    """Processes that were announced are waited for, however long they take to come."""
    rendezvous = open_rendezvous()
    rendezvous.expect(["gw0", "gw1"])
    first = WorkerClient("gw0", rendezvous.invitation, (TEST,))
    with ThreadPoolExecutor(1) as pool:
        seat = pool.submit(first.join, TEST, 99)
        assert rendezvous.missing == ["gw1"]
        second = WorkerClient("gw1", rendezvous.invitation, (TEST,))
        assert not seat.done()
        assert second.join(TEST, 99).of == seat.result().of == 2
    assert rendezvous.missing == []
