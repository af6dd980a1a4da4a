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
from straingauge.http.settings import HttpSettings
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
    """Create coordinators that are closed at the end."""
    opened: list[Coordinator] = []

    def open_one(
        find: Callable[[Path, HttpSettings], str] = lambda *_: "http://x",
        **options: Any,  # noqa: ANN401  of the coordinator
    ) -> Coordinator:
        opened.append(Coordinator(find, cores=8, **options))
        return opened[-1]

    yield open_one
    for coordinator in opened:
        coordinator.close()


def report(name: str, requests: int = 0) -> Report:
    """Return the report of a process."""
    return Report(name, time.monotonic_ns(), requests, b"")


def connect(coordinator: Coordinator, count: int) -> list[WorkerClient]:
    """Connect processes (threads here)."""
    return [WorkerClient(f"gw{i}", coordinator.connection_info, (TEST,)) for i in range(count)]


def run_all(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls run_all and return their results; an error is returned, not raised."""

    def outcome(call: Callable[[], Any]) -> object:
        try:
            return call()
        except CoordinatorError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def test_what_precedes_a_load(new_coordinator: Callable[..., Coordinator]):
    """The service is prepared once all processes wait, and all learn if it was restored."""
    calls = []

    def prepare() -> bool:
        calls.append(sorted(coordinator.connected))
        return len(calls) > 1

    coordinator = new_coordinator(before_load=prepare)
    clients = connect(coordinator, 2)
    for number, is_restored in enumerate((False, True)):
        test = f"{TEST}_{number}"
        shards = run_all(*(lambda m=m, t=test: m.join(t, 1) for m in clients))
        assert [shard.is_restored for shard in shards] == [is_restored] * 2
        assert [shard.index for shard in shards] == [0, None]
    assert calls == [["gw0", "gw1"]] * 2


def test_a_service_that_cannot_be_prepared(new_coordinator: Callable[..., Coordinator]):
    """If the service does not start again, no process begins the load, and all say why."""

    def prepare() -> bool:
        raise TargetError("it does not start", "read its log")

    clients = connect(new_coordinator(before_load=prepare), 2)
    for error in run_all(*(lambda m=m: m.join(TEST, 2) for m in clients)):
        assert isinstance(error, LoadAborted)
        assert error.with_hint == "it does not start\n  try: read its log"


def test_a_complete_load(new_coordinator: Callable[..., Coordinator]):
    """Processes start at one instant, and the leader gets all merged reports."""
    coordinator = new_coordinator()
    clients = connect(coordinator, 3)
    shards = run_all(*(lambda m=m: m.join(TEST, 99) for m in clients))
    assert [shard.index for shard in shards] == [0, 1, 2]
    starts = run_all(
        *(lambda m=m, i=i: m.wait_for_start(report(f"gw{i}")) for i, m in enumerate(clients))
    )
    assert len(set(starts)) == 1
    run_all(
        *(lambda m=m, i=i: m.wait_for_load_end(report(f"gw{i}", i)) for i, m in enumerate(clients))
    )
    ends = run_all(*(lambda m=m, i=i: m.finish(report(f"gw{i}", i)) for i, m in enumerate(clients)))
    assert isinstance(ends[0], MergedReports)
    assert [each.requests for each in ends[0].reports] == [0, 1, 2]
    assert ends[1:] == [None, None]


def test_a_line_of_a_process_is_shown(new_coordinator: Callable[..., Coordinator]):
    """A process shows a line on the terminal, which only the controlling process has."""
    lines: list[str] = []
    coordinator = new_coordinator(say=lines.append)
    (client,) = connect(coordinator, 1)
    client.say("explain pass: 15 s")
    client.join(TEST, 1)  # messages are handled in order
    assert lines == ["explain pass: 15 s"]


def test_a_silent_process_is_lost(new_coordinator: Callable[..., Coordinator]):
    """A process that sends nothing for too long during the load is lost, with this reason."""
    coordinator = new_coordinator(load_silence_timeout_s=30)
    clients = connect(coordinator, 2)
    run_all(*(lambda m=m: m.join(TEST, 99) for m in clients))
    run_all(*(lambda m=m, i=i: m.wait_for_start(report(f"gw{i}")) for i, m in enumerate(clients)))
    coordinator._connections._workers["gw1"].last_message_s -= 31
    clients[0].wait_for_load_end(report("gw0"))
    merged = clients[0].finish(report("gw0"))
    assert merged is not None
    (lost,) = merged.lost
    assert (lost.process, lost.reason) == ("gw1", "it sent nothing for 30 s")


def test_a_client_without_the_secret_is_rejected(new_coordinator: Callable[..., Coordinator]):
    """A client without the secret is rejected, and the others are served."""
    coordinator = new_coordinator()
    connection_info = coordinator.connection_info
    with pytest.raises(AuthenticationError):
        Client((str(connection_info["host"]), int(connection_info["port"])), authkey=b"guessed")
    (client,) = connect(coordinator, 1)
    assert client.join(TEST, 1).is_leader


def test_the_target_is_found_once(new_coordinator: Callable[..., Coordinator]):
    """The service is started once, for any number of processes that request its URL."""
    found: list[Path] = []

    def find(test_file: Path, _http: HttpSettings) -> str:
        found.append(test_file)
        return "http://127.0.0.1:1"

    clients = connect(new_coordinator(find), 4)
    urls = run_all(*(lambda m=m: m.find_target(Path("here")) for m in clients))
    assert urls == ["http://127.0.0.1:1"] * 4
    assert found == [Path("here")]


def test_a_service_that_cannot_start_fails_all(new_coordinator: Callable[..., Coordinator]):
    """Each process gets the reason why the service could not be started, and the hint."""

    def find(_test_file: Path, _http: HttpSettings) -> str:
        raise TargetError("no PostgreSQL", hint="install it")

    errors = run_all(
        *(lambda m=m: m.find_target(Path()) for m in connect(new_coordinator(find), 3))
    )
    assert [(str(error), error.hint) for error in errors] == [("no PostgreSQL", "install it")] * 3


def test_the_end_of_the_session_ends_waiting(new_coordinator: Callable[..., Coordinator]):
    """When the session ends, no process still waits for a load."""
    coordinator = new_coordinator()
    first, _second = connect(coordinator, 2)
    threading.Timer(0.2, coordinator.abort, ["the session ends"]).start()
    with pytest.raises(LoadAborted, match="the session ends"):
        first.join(TEST, 99)


def test_a_lost_controller_is_detected(new_coordinator: Callable[..., Coordinator]):
    """A process whose controller has ended fails at once and does not hang."""
    coordinator = new_coordinator()
    first, _second = connect(coordinator, 2)
    threading.Timer(0.2, coordinator.close).start()
    with pytest.raises(CoordinatorError):
        first.join(TEST, 99)


def test_close_from_many_threads(new_coordinator: Callable[..., Coordinator]):
    """Each of several concurrent calls of close returns without an error when all is closed."""
    for _ in range(20):
        coordinator = new_coordinator()
        connect(coordinator, 2)
        with ThreadPoolExecutor(4) as pool:
            barrier = threading.Barrier(4)
            calls = [pool.submit(_close, coordinator, barrier) for _ in range(4)]
        for call in calls:
            call.result()


def _close(coordinator: Coordinator, barrier: threading.Barrier) -> None:
    barrier.wait()
    coordinator.close()
    connection_info = coordinator.connection_info
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(connection_info["host"]), int(connection_info["port"])))


def test_a_silent_client_delays_nothing(new_coordinator: Callable[..., Coordinator]):
    """A connection that sends nothing delays neither the other processes nor the end."""
    coordinator = new_coordinator()
    connection_info = coordinator.connection_info
    with socket.create_connection((str(connection_info["host"]), int(connection_info["port"]))):
        (client,) = connect(coordinator, 1)
        assert client.join(TEST, 1).is_leader
        coordinator.close()
        threads = coordinator._ticking, coordinator._connections._accepting
        assert not any(thread.is_alive() for thread in threads)


def test_closing_twice_and_after_the_end(new_coordinator: Callable[..., Coordinator]):
    """A client can be closed twice, and after the controlling process has ended."""
    coordinator = new_coordinator()
    (client,) = connect(coordinator, 1)
    client.close()
    client.close()
    coordinator.close()
    client.close()


def test_the_watcher_ends_the_load_for_all(new_coordinator: Callable[..., Coordinator]):
    """When the merged statistics are precise, every process gets one instant to end at."""
    coordinator = new_coordinator(watcher=lambda _test, _merged: True)
    clients = connect(coordinator, 2)
    run_all(*(lambda m=m: m.join(TEST, 99) for m in clients))
    run_all(*(lambda m=m, i=i: m.wait_for_start(report(f"gw{i}")) for i, m in enumerate(clients)))
    deadline = time.monotonic() + 30
    while any(client.stop_at_ns is None for client in clients):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert clients[0].stop_at_ns == clients[1].stop_at_ns


def test_load_tests_are_known_after_the_first_hello(new_coordinator: Callable[..., Coordinator]):
    """The coordinator knows the load tests when the first process has connected."""
    coordinator = new_coordinator()
    assert coordinator.load_tests == set()
    connect(coordinator, 1)
    assert coordinator.load_tests == set(Hello("gw0", (TEST,)).tests)


def test_requests_to_an_ended_controller_fail(new_coordinator: Callable[..., Coordinator]):
    """If the controlling process has ended, each request to it fails at once."""
    coordinator = new_coordinator()
    (client,) = connect(coordinator, 1)
    coordinator.close()
    with pytest.raises(LoadAborted, match="has ended"):
        client.join(TEST, 1)
    for _ in range(3):
        with pytest.raises(CoordinatorError, match="has ended"):
            client.leave_test(TEST, None)


def test_a_load_waits_for_all_expected_processes(new_coordinator: Callable[..., Coordinator]):
    """Announced processes are waited for, however long they take to connect."""
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
