import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
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
def new_coordinator() -> Iterator[Callable[..., Coordinator]]:
    """Create coordinators that are closed in the end."""
    opened: list[Coordinator] = []

    def open_one(find: Callable[[Path], str] = lambda _: "http://x", **given: Any) -> Coordinator:  # noqa: ANN401  its own arguments
        opened.append(Coordinator(find, cores=8, **given))
        return opened[-1]

    yield open_one
    for coordinator in opened:
        coordinator.close()


def report(name: str, requests: int = 0) -> Report:
    """Return the report of a process."""
    return Report(name, time.monotonic_ns(), requests, b"")


def connect(coordinator: Coordinator, count: int) -> list[WorkerClient]:
    """Processes (threads here) that are connected."""
    return [WorkerClient(f"gw{i}", coordinator.connection_info, (TEST,)) for i in range(count)]


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Call functions at the same time; return their values, or the errors that they raise."""

    def outcome(call: Callable[[], Any]) -> object:
        try:
            return call()
        except CoordinatorError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def test_whole_course(new_coordinator: Callable[..., Coordinator]):
    """Processes that meet over connections start at one instant; the leader gets all reports."""
    coordinator = new_coordinator()
    clients = connect(coordinator, 3)
    shards = together(*(lambda m=m: m.join(TEST, 99) for m in clients))
    assert [shard.index for shard in shards] == [0, 1, 2]
    starts = together(
        *(lambda m=m, i=i: m.wait_for_start(report(f"gw{i}")) for i, m in enumerate(clients))
    )
    assert len(set(starts)) == 1
    together(
        *(lambda m=m, i=i: m.wait_for_load_end(report(f"gw{i}", i)) for i, m in enumerate(clients))
    )
    ends = together(
        *(lambda m=m, i=i: m.finish(report(f"gw{i}", i)) for i, m in enumerate(clients))
    )
    assert isinstance(ends[0], MergedReports)
    assert [each.requests for each in ends[0].reports] == [0, 1, 2]
    assert ends[1:] == [None, None]


def test_silent_process_is_lost(new_coordinator: Callable[..., Coordinator]):
    """A process that says nothing for too long while load is on is given up, for that reason."""
    coordinator = new_coordinator(load_silence_timeout_s=0.5)
    clients = connect(coordinator, 2)
    together(*(lambda m=m: m.join(TEST, 99) for m in clients))
    together(*(lambda m=m, i=i: m.wait_for_start(report(f"gw{i}")) for i, m in enumerate(clients)))
    clients[0].wait_for_load_end(report("gw0"))
    merged = clients[0].finish(report("gw0"))
    assert merged is not None
    (lost,) = merged.lost
    assert (lost.process, lost.reason) == ("gw1", "it sent nothing for 0.5 s")


def test_stranger_is_not_served(new_coordinator: Callable[..., Coordinator]):
    """A client without the secret is rejected, and the others are served."""
    coordinator = new_coordinator()
    connection_info = coordinator.connection_info
    with pytest.raises(AuthenticationError):
        Client((str(connection_info["host"]), int(connection_info["port"])), authkey=b"guessed")
    (client,) = connect(coordinator, 1)
    assert client.join(TEST, 1).is_leader


def test_address_is_found_once(new_coordinator: Callable[..., Coordinator]):
    """The service is started once, however many processes ask where it is."""
    found: list[Path] = []

    def find(test_file: Path) -> str:
        found.append(test_file)
        return "http://127.0.0.1:1"

    clients = connect(new_coordinator(find), 4)
    urls = together(*(lambda m=m: m.find_target(Path("here")) for m in clients))
    assert urls == ["http://127.0.0.1:1"] * 4
    assert found == [Path("here")]


def test_missing_service_is_told_to_all(new_coordinator: Callable[..., Coordinator]):
    """Each process gets the reason why the service could not be started, with advice."""

    def find(_test_file: Path) -> str:
        raise TargetError("no PostgreSQL", hint="install it")

    errors = together(
        *(lambda m=m: m.find_target(Path()) for m in connect(new_coordinator(find), 3))
    )
    assert [(str(error), error.hint) for error in errors] == [("no PostgreSQL", "install it")] * 3


def test_end_of_session_frees_who_waits(new_coordinator: Callable[..., Coordinator]):
    """When the session ends, no process waits for a load any more."""
    coordinator = new_coordinator()
    first, _second = connect(coordinator, 2)
    threading.Timer(0.2, coordinator.abort, ["the session ends"]).start()
    with pytest.raises(LoadAborted, match="the session ends"):
        first.join(TEST, 99)


def test_gone_controller_is_noticed(new_coordinator: Callable[..., Coordinator]):
    """A process whose controller has gone fails at once; it does not hang."""
    coordinator = new_coordinator()
    first, _second = connect(coordinator, 2)
    threading.Timer(0.2, coordinator.close).start()
    with pytest.raises(CoordinatorError):
        first.join(TEST, 99)


def test_close_from_many_threads(new_coordinator: Callable[..., Coordinator]):
    """Several threads may close it several times: each call returns when all is closed."""
    for _ in range(20):
        coordinator = new_coordinator()
        connect(coordinator, 2)
        with ThreadPoolExecutor(4) as pool:
            at_once = threading.Barrier(4)
            calls = [pool.submit(_close, coordinator, at_once) for _ in range(4)]
        for call in calls:
            call.result()


def _close(coordinator: Coordinator, at_once: threading.Barrier) -> None:
    at_once.wait()
    coordinator.close()
    connection_info = coordinator.connection_info
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(connection_info["host"]), int(connection_info["port"])))


def test_silent_stranger_holds_nobody_up(new_coordinator: Callable[..., Coordinator]):
    """A connection that says nothing delays neither the other processes nor the end."""
    coordinator = new_coordinator()
    connection_info = coordinator.connection_info
    with socket.create_connection((str(connection_info["host"]), int(connection_info["port"]))):
        (client,) = connect(coordinator, 1)
        assert client.join(TEST, 1).is_leader
        coordinator.close()
        assert not any(thread.is_alive() for thread in coordinator._threads)


def test_leaving_twice_and_after_the_end(new_coordinator: Callable[..., Coordinator]):
    """A process may leave again, and when the controlling process has gone."""
    coordinator = new_coordinator()
    (client,) = connect(coordinator, 1)
    client.close()
    client.close()
    coordinator.close()
    client.close()


def test_watcher_ends_the_load_for_all(new_coordinator: Callable[..., Coordinator]):
    """When the merged statistics are precise, all processes get the same moment to end."""
    coordinator = new_coordinator(watcher=lambda _test, _merged: True)
    clients = connect(coordinator, 2)
    together(*(lambda m=m: m.join(TEST, 99) for m in clients))
    together(*(lambda m=m, i=i: m.wait_for_start(report(f"gw{i}")) for i, m in enumerate(clients)))
    give_up = time.monotonic() + 30
    while any(client.stop_at_ns is None for client in clients):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert clients[0].stop_at_ns == clients[1].stop_at_ns


def test_only_invited_processes_have_load_tests(new_coordinator: Callable[..., Coordinator]):
    """The coordinator knows the load tests as soon as a process has said hello."""
    coordinator = new_coordinator()
    assert coordinator.load_tests == set()
    connect(coordinator, 1)
    assert coordinator.load_tests == set(Hello("gw0", (TEST,)).tests)


def test_nobody_waits_for_a_controller_that_has_gone(new_coordinator: Callable[..., Coordinator]):
    """When the controlling process is gone, all that a process asks of it fails, and at once."""
    coordinator = new_coordinator()
    (client,) = connect(coordinator, 1)
    coordinator.close()
    with pytest.raises(LoadAborted, match="has ended"):
        client.join(TEST, 1)
    for _ in range(3):
        with pytest.raises(CoordinatorError, match="has ended"):
            client.leave_test(TEST, None)


def test_no_load_begins_before_all_have_come(new_coordinator: Callable[..., Coordinator]):
    """Processes that were announced are waited for, however long they take to come."""
    coordinator = new_coordinator()
    coordinator.expect(["gw0", "gw1"])
    first = WorkerClient("gw0", coordinator.connection_info, (TEST,))
    with ThreadPoolExecutor(1) as pool:
        shard = pool.submit(first.join, TEST, 99)
        assert coordinator.missing == ["gw1"]
        second = WorkerClient("gw1", coordinator.connection_info, (TEST,))
        assert not shard.done()
        assert second.join(TEST, 99).count == shard.result().count == 2
    assert coordinator.missing == []
