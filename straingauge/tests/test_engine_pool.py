"""Connections that all users of a process share."""

import threading
from collections import Counter

import pytest
from raw_server import Peer, answering, serve
from straingauge.engine import EngineStats, Load, run_load
from straingauge.errors import UsageError
from straingauge.http import ErrorKind
from straingauge.journey import Journey, Pause, User, mix
from straingauge.recording import Recorder, Series
from straingauge.schedule import Schedule, constant_users, spread


def get(user: User):
    """One GET that tells who asks."""
    yield user.get(f"/{user.index}", name="GET /x")


def run_schedule(
    url: str,
    schedule: Schedule,
    count: int,
    journey: Journey = get,
    *,
    share: tuple[int, int] = (0, 1),
    **settings: object,
) -> tuple[Series, EngineStats]:
    """Run a schedule with this many users over shared connections."""
    recorder = Recorder()
    users = [User(index) for index in range(count)]
    settings = {"timeout_s": 20.0, "connections": "shared"} | settings
    report = run_load(Load(url, schedule, mix(journey), users, **settings), recorder, share=share)
    return recorder.snapshot().total("main"), report


class Crowded:
    """Answers each request once `together` of them are in flight, and counts how many are."""

    def __init__(self, together: int) -> None:
        self._together = threading.Barrier(together)
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def __call__(self, peer: Peer) -> None:
        """Attend one connection."""
        while peer.read() is not None:
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
            self._together.wait(20)
            with self._lock:
                self._now -= 1
            peer.answer()


def test_a_pool_never_exceeds_its_size_and_no_user_starves():
    """Twelve users over three connections: three requests at once, and each user has its turns."""
    crowded = Crowded(3)
    with serve(crowded) as server:
        series, report = run_schedule(
            server.url, constant_users(count=12, iterations=4), 12, max_connections=3
        )
    assert (series.statuses[200], dict(series.errors)) == (48, {})
    assert server.connections == report.connections == crowded.most == 3
    assert report.waited_for_connection >= 9
    turns = [each.target for each in server.requests]
    # First come, first served: no user sends a second request before all have sent one.
    assert set(Counter(turns[:12]).values()) == {1}


def test_one_after_the_other_needs_one_connection():
    """The connection used last is taken first, so users that never overlap share a single one."""
    asked: list[int] = []

    def in_turn(user: User):
        while len(asked) % 3 != user.index:
            yield Pause(0.001)
        yield user.get("/x")
        asked.append(user.index)

    with serve(answering()) as server:
        series, report = run_schedule(server.url, constant_users(count=3, iterations=4), 3, in_turn)
    assert series.statuses[200] == 12
    assert server.connections == report.connections == 1
    assert report.waited_for_connection == 0


def test_the_connection_used_last_is_lent_first():
    """After a rush the few that go on use one connection, and the others may go cold."""
    rushed: list[Peer] = []
    alone: list[Peer] = []
    back: list[User] = []
    done: list[User] = []
    together = threading.Barrier(3)

    def handler(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            if exchange.target == "/rush":
                together.wait(20)
                rushed.append(peer)
            else:
                alone.append(peer)
            peer.answer()

    def journey(user: User):
        yield user.get("/rush")
        back.append(user)
        while len(back) < 3 or len(done) < user.index:
            yield Pause(0.001)
        for _ in range(3):
            yield user.get("/alone")
        done.append(user)

    with serve(handler) as server:
        run_schedule(server.url, constant_users(count=3, iterations=1), 3, journey)
    assert len(set(rushed)) == server.connections == 3
    assert (len(alone), len(set(alone))) == (9, 1)


def test_waiting_for_a_connection_is_response_time_alone():
    """The wait for one's turn is what a user feels, and not what the service takes."""

    def slowly(peer: Peer) -> None:
        while peer.read() is not None:
            threading.Event().wait(0.05)  # what the service takes
            peer.answer()

    with serve(slowly) as server:
        series, report = run_schedule(
            server.url, spread(count=4, duration_s=1e-6), 4, max_connections=1
        )
    assert (report.waited, report.waited_for_connection, server.connections) == (0, 3, 1)
    # One after the other: 50, 100, 150 and 200 ms at least, each of them 50 for the service.
    assert series.response.sum_ns >= 500_000_000
    assert series.response.sum_ns - series.service.sum_ns >= 300_000_000


def test_a_waiting_request_times_out_and_leaves_the_queue():
    """A wait for a connection ends at the request's deadline, and delays no other user."""
    over = threading.Event()

    def stuck(peer: Peer) -> None:
        while (exchange := peer.read()) is not None:
            if exchange.target == "/stuck":
                over.wait(20)
                return
            peer.answer()

    def journey(user: User):
        if user.index == 0:
            yield user.get("/stuck", timeout_s=0.6)
        elif user.index == 1:
            yield user.get("/impatient", timeout_s=0.2)
        else:
            yield user.get("/patient")

    with serve(stuck) as server:
        series, report = run_schedule(
            server.url, constant_users(count=3, iterations=1), 3, journey, max_connections=1
        )
        over.set()
        targets = [each.target for each in server.requests]
    assert dict(series.errors) == {ErrorKind.TIMEOUT: 2}
    assert series.statuses[200] == 1
    assert targets == ["/stuck", "/patient"]
    assert (report.sent, report.connections) == (2, 2)


def test_a_failed_connection_makes_room_for_the_next():
    """A pool whose connections break each time still serves the waiting users."""

    def once(peer: Peer) -> None:
        peer.read()
        peer.reset()

    with serve(once) as server:
        series, report = run_schedule(
            server.url, constant_users(count=5, iterations=2), 5, max_connections=2
        )
    assert dict(series.errors) == {ErrorKind.RESET: 10}
    assert report.connections == server.connections == 10


def test_refused_connections_make_room_too():
    """Without a server, each request is refused and none waits forever."""
    with serve(answering()) as gone:
        url = gone.url
    series, report = run_schedule(url, constant_users(count=6, iterations=2), 6, max_connections=2)
    assert dict(series.errors) == {ErrorKind.REFUSED: 12}
    assert report.connections == 0


def test_connections_that_close_while_idle_are_replaced():
    """The pool forgets what the server closed; a GET that met a stale one is sent again."""

    def three_at_most(peer: Peer) -> None:
        for _ in range(3):
            if peer.read() is None:
                return
            peer.answer()
        peer.read()

    with serve(three_at_most) as server:
        series, report = run_schedule(
            server.url, constant_users(count=4, iterations=10), 4, max_connections=2
        )
    assert (series.statuses[200], dict(series.errors)) == (40, {})
    assert report.connections == server.connections >= 40 / 3
    assert report.sent == 40 + report.reconnected


def test_closing_after_each_answer_is_no_error():
    """`Connection: close` costs a connection a request, never more than the pool's size at once."""

    def closing(peer: Peer) -> None:
        peer.read()
        peer.answer(headers="Connection: close\r\n")

    with serve(closing) as server:
        series, report = run_schedule(
            server.url, constant_users(count=4, iterations=5), 4, max_connections=1
        )
    assert (series.statuses[200], dict(series.errors)) == (20, {})
    assert report.connections == server.connections == 20


@pytest.mark.parametrize(("most", "opened"), [(5, [3, 2]), (1, [1, 1]), (None, [4, 4])])
def test_processes_split_a_pool(most: int | None, opened: list[int]):
    """The limit holds for all processes together, but each has a connection at least."""
    schedule, users = constant_users(count=8, iterations=1), [User(n) for n in range(8)]
    load = Load("http://x", schedule, mix(get), users, connections="shared", max_connections=most)
    assert [load.most_connections(i, 2) for i in range(2)] == opened


@pytest.mark.parametrize(
    "settings", [{"max_connections": 0}, {"connections": "per-user", "max_connections": 5}]
)
def test_a_pool_without_sense_is_a_usage_error(settings: dict[str, object]):
    """No connections at all, or a limit on a pool that is not there, is refused beforehand."""
    with pytest.raises(UsageError, match="max_connections"):
        run_schedule("http://127.0.0.1:9", constant_users(count=1, iterations=1), 1, **settings)
