"""The engine: on time, and one connection a user."""

import itertools
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from raw_server import Exchange, Peer, answering, serve
from straingauge.engine import EngineStats, Load, run_load
from straingauge.errors import UsageError
from straingauge.journey import Mix, Pause, User, mix
from straingauge.recording import Record, Recorder
from straingauge.schedule import Schedule, constant, constant_users, spread, waves


def get(user: User):
    """One GET that tells who asks."""
    yield user.get(f"/{user.index}", name="GET /x")


def make_users(count: int) -> list[User]:
    """Make this many users."""
    return [User(index) for index in range(count)]


def run_schedule(
    url: str, schedule: Schedule, count: int, mixed: Mix | None = None, **how: object
) -> tuple[Record, EngineStats]:
    """Run a schedule with this many users."""
    recorder = Recorder()
    report = run_load(Load(url, schedule, mixed or mix(get), make_users(count)), recorder, **how)
    return recorder.snapshot(), report


def users_of(requests: list[Exchange]) -> Counter[str]:
    """Count each user's requests."""
    return Counter(each.target for each in requests)


# Who and when


def test_each_user_keeps_its_connection():
    """Users have one kept-alive connection each, however often they ask."""
    with serve(answering()) as server:
        record, report = run_schedule(server.url, constant_users(count=5, iterations=20), 5)
    assert server.connections == report.connections == 5
    assert record.total("main").connect.count == 5
    assert set(users_of(server.requests).values()) == {20}


def test_a_connection_can_be_new_for_each_journey():
    """Users that come only once each open their own connection."""
    with serve(answering()) as server:
        load = Load(
            server.url,
            constant_users(count=2, iterations=4),
            mix(get),
            make_users(2),
            connections="per-journey",
        )
        report = run_load(load, Recorder())
    assert server.connections == report.connections == 8


def test_arrivals_come_at_their_times():
    """No request leaves before its time, and all leave though the target is slow."""
    schedule = constant(rate_per_s=100, duration_s=1)
    start_ns = time.monotonic_ns() + 100_000_000
    with serve(answering()) as server:
        record, report = run_schedule(server.url, schedule, 10, start_ns=start_ns)
    assert len(server.requests) == record.total("main").requests == report.sent == 100
    for n, request in enumerate(sorted(server.requests, key=lambda each: each.at_ns)):
        assert request.at_ns >= start_ns + n * 10_000_000
    assert report.dropped == 0
    assert report.duration_s >= 0.99


def test_arrivals_wait_for_a_free_user_and_their_wait_counts():
    """With fewer users than arrivals at once, the wait is in the response time alone."""

    def slowly(peer: Peer) -> None:
        while peer.read() is not None:
            threading.Event().wait(0.05)  # what the service takes
            peer.answer()

    with serve(slowly) as server:
        record, report = run_schedule(server.url, spread(count=4, duration_s=1e-6), 1)
    total = record.total("main")
    assert (report.waited, report.dropped, server.connections) == (3, 0, 1)
    # One after the other: 50, 100, 150 and 200 ms at least, each of them 50 for the service.
    assert total.response.sum_ns >= 500_000_000
    assert total.response.sum_ns - total.service.sum_ns >= 300_000_000


def test_past_the_limit_waiting_arrivals_are_dropped_and_counted():
    """Work that cannot start is never lost silently."""
    recorder = Recorder()
    with serve(answering()) as server:
        load = Load(
            server.url, spread(count=10, duration_s=1e-6), mix(get), make_users(2), most_waiting=3
        )
        report = run_load(load, recorder)
    assert (report.sent, report.waited, report.dropped) == (5, 3, 5)
    assert recorder.snapshot().total("main").requests == 5


@pytest.mark.parametrize(
    "schedule",
    [
        spread(count=53, duration_s=0.2),
        waves(concurrent=7, at_least=3, at_most=3),
        constant_users(count=7, iterations=3),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 7])
def test_shares_send_the_whole_load_together(schedule: Schedule, n: int):
    """Processes that share a load send exactly it together, each with its own users."""
    expected = 21 if not hasattr(schedule, "duration_s") or schedule.duration_s != 0.2 else 53
    with serve(answering()) as server:
        records, seen = [], []
        for i in range(n):
            before = len(server.requests)
            record, _ = run_schedule(server.url, schedule, 7, share=(i, n))
            records.append(record)
            seen.append(set(users_of(server.requests[before:])))
    assert len(server.requests) == expected
    assert Record().merge(*records).total("main").statuses[200] == expected
    assert all(not a & b for a, b in itertools.combinations(seen, 2))


def test_a_wave_waits_for_the_one_before():
    """Never more than one wave is running, and each is whole."""
    under_way, most, lock = Counter[str](), [0], threading.Lock()

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            with lock:
                under_way["now"] += 1
                most[0] = max(most[0], under_way["now"])
            threading.Event().wait(0.02)
            with lock:
                under_way["now"] -= 1
            peer.answer()

    with serve(handler) as server:
        record, _ = run_schedule(server.url, waves(concurrent=4, at_least=5, at_most=5), 12)
    assert record.total("main").statuses[200] == 20
    assert most[0] <= 4
    # The waves go round all the users, so that no user has more than its share.
    assert max(users_of(server.requests).values()) == 2


@pytest.mark.parametrize(("asked_for", "sent"), [(1, 2), (4, 5), (99, 9)])
def test_waves_end_early_on_demand(asked_for: int, sent: int):
    """After the least number of waves the run ends as soon as its statistics are precise enough."""
    asked = itertools.count(1)
    with serve(answering()) as server:
        record, _ = run_schedule(
            server.url,
            waves(concurrent=3, at_least=2, at_most=9),
            3,
            stop_early=lambda: next(asked) >= asked_for,
        )
    assert record.total("main").requests == 3 * sent


@pytest.mark.serial
def test_after_its_duration_no_request_is_sent():
    """At the end of a closed run, requests in flight are awaited and nothing more is sent."""

    def endless(user: User):
        while True:
            yield user.get("/x")
            yield Pause(0.01)

    with serve(answering()) as server:
        start_ns = time.monotonic_ns() + 500_000_000  # time to get ready
        record, report = run_schedule(
            server.url, constant_users(count=3, duration_s=0.3), 3, mix(endless), start_ns=start_ns
        )
        last_ns = max(each.at_ns for each in server.requests)
    assert record.total("main").statuses[200] == len(server.requests) == report.sent
    assert last_ns <= start_ns + (report.duration_s + 0.001) * 1e9
    assert report.journeys == 3


def test_users_think_and_ramp():
    """Think time lies between a user's journeys, and a ramp before its first."""
    schedule = constant_users(count=2, iterations=3, think_s=(0.05, 0.06), ramp_s=0.2)
    start_ns = time.monotonic_ns()
    with serve(answering()) as server:
        run_schedule(server.url, schedule, 2, start_ns=start_ns)
    for index, begins_ns in ((0, 0), (1, 100_000_000)):
        times = [each.at_ns - start_ns for each in server.requests if each.target == f"/{index}"]
        # The loop's clock ticks in milliseconds.
        assert times[0] >= begins_ns - 1_000_000
        assert all(b - a >= 48_000_000 for a, b in itertools.pairwise(times))


def test_stop_ends_a_run_with_all_its_answers():
    """Asked to stop, the engine sends nothing more and counts the requests in flight."""
    server_seen = threading.Event()

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            server_seen.set()
            peer.answer()

    with serve(handler) as server:
        record, report = run_schedule(
            server.url, constant_users(count=2, duration_s=60), 2, stop=server_seen.is_set
        )
    assert report.duration_s < 30
    assert record.total("main").statuses[200] == report.sent == len(server.requests)
    assert not report.interrupted


def test_a_crash_in_the_engine_is_raised_not_hung():
    """An error in a progress report ends the run with that error."""

    def broken() -> None:
        raise RuntimeError("no progress")

    with serve(answering()) as server, pytest.raises(RuntimeError, match="no progress"):
        run_schedule(server.url, constant_users(count=1, duration_s=60), 1, on_tick=broken)


def test_warm_up_is_kept_apart():
    """Journeys that start within the warm-up count in a separate phase."""
    with serve(answering()) as server:
        record, _ = run_schedule(
            server.url, constant(rate_per_s=20, duration_s=1), 5, warmup_s=0.249, phase="main"
        )
    assert record.total("warmup").requests == 5
    assert record.total("main").requests == 15


def test_an_early_timer_is_no_warm_up(monkeypatch: pytest.MonkeyPatch):
    """A request that begins a moment before the start instant, as timers go, counts as main."""
    start_ns = time.monotonic_ns()
    monkeypatch.setattr("straingauge.engine.user_executors.monotonic_ns", lambda: start_ns - 1)
    with serve(answering()) as server:
        record, _ = run_schedule(
            server.url, constant_users(count=3, iterations=1), 3, start_ns=start_ns
        )
    assert record.total("main").requests == 3
    assert record.total("warmup").requests == 0


@pytest.mark.parametrize(
    ("schedule", "count"),
    [
        (constant_users(count=3, iterations=1), 2),
        (waves(concurrent=3), 2),
        (spread(count=1, duration_s=1), 0),
    ],
)
def test_too_few_users_are_a_usage_error(schedule: Schedule, count: int):
    """A load whose schedule needs more users than it has is refused before anything is sent."""
    with pytest.raises(UsageError, match="the load has"):
        run_schedule("http://localhost:9", schedule, count)


def test_too_many_connections_for_this_process_are_a_usage_error(
    monkeypatch: pytest.MonkeyPatch,
):
    """A limit of open files that is too low is one error before the load, not 900 failures."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (100, 1_000))
    with serve(answering()) as server:
        with pytest.raises(UsageError, match="1,000 connections need 1,064 open files"):
            run_schedule(server.url, constant_users(count=1_000, iterations=1), 1_000)
        assert server.connections == 0


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_timeout_without_sense_is_a_usage_error(timeout_s: float):
    """A load has a real timeout, or it might never end."""
    with pytest.raises(UsageError, match="timeout_s"):
        Load(
            "http://x", spread(count=1, duration_s=1), mix(get), make_users(1), timeout_s=timeout_s
        )


WITHOUT_UNIX = """
import asyncio, numpy, sys
sys.modules |= {"uvloop": None, "resource": None}
sys.platform = "win32"
from straingauge.engine import Load, run_load
from straingauge.journey import User, mix
from straingauge.recording import Recorder
from straingauge.schedule import constant_users

def get(user):
    yield user.get("/x")
    yield user.get("/y")

recorder = Recorder()
make_users = [User(n) for n in range(3)]
load = Load(sys.argv[1], constant_users(count=3, iterations=5), mix(get), make_users)
report = run_load(load, recorder)
print(recorder.snapshot().total("main").statuses[200], report.connections)
"""


def test_it_runs_without_unix_calls():
    """Without uvloop, file limits and timerfd, as on Windows, a load runs all the same."""
    with serve(answering()) as server:
        command = [sys.executable, "-c", WITHOUT_UNIX, server.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["30", "3"]


# What is sent


def test_a_users_token_goes_with_its_requests():
    """A token that one user received is sent with that user's later requests only."""

    def journey(user: User):
        yield user.post("/login", json={"user": user.index})
        user.authorize(f"token-{user.index}")
        yield user.get("/me")

    with serve(answering()) as server:
        run_schedule(server.url, constant_users(count=2, iterations=1), 2, mix(journey))
    asked = [each.head for each in server.requests if each.target == "/me"]
    assert sorted("token-0" in head for head in asked) == [False, True]
    assert all(head.count("Authorization: Bearer token-") == 1 for head in asked)
