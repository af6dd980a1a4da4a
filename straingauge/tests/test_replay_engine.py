"""The engine: recorded requests, each at its time and by the user of its session."""

import time

import numpy as np
from raw_server import Peer, answering, serve
from straingauge.engine import Load, run_load
from straingauge.journey import Journey, Mix, User, mix
from straingauge.recording import Recorder
from straingauge.schedule import Recorded, recorded


def nothing(user: User):
    """Never run."""
    yield user.get("/")


class Numbered(Mix):
    """A journey by its number."""

    def pick(self, n: int) -> Journey:
        """Return a journey of one request that has its number."""

        def journey(user: User):
            yield user.get(f"/{user.index}/{n}", name="GET /x")

        return journey


def schedule_of(*requests: tuple[int, int]) -> Recorded:
    """Make a schedule of (milliseconds, user)."""
    return recorded(
        np.array([at_ms * 1_000_000 for at_ms, _ in requests], dtype=np.int64),
        np.array([user for _, user in requests], dtype=np.uint32),
    )


def test_recorded_requests_are_sent_at_their_times_by_their_users():
    """Each process sends the requests of its users, in order and not before their times."""
    schedule = schedule_of((0, 2), (10, 0), (10, 1), (20, 0), (50, 2), (90, 1), (90, 0))
    users = [User(index) for index in range(3)]
    sent = {}
    for share in ((0, 2), (1, 2)):
        start_ns = time.monotonic_ns() + 50_000_000
        recorder = Recorder()
        with serve(answering()) as server:
            load = Load(server.url, schedule, Numbered(mix(nothing).weights), users)
            stats = run_load(load, recorder, share=share, start_ns=start_ns)
        targets = [each.target for each in sorted(server.requests, key=lambda each: each.at_ns)]
        for each in server.requests:
            number = int(each.target.split("/")[2])
            assert each.at_ns >= start_ns + int(schedule.at_ns[number])
        assert recorder.snapshot().total("main").requests == stats.sent == len(targets)
        assert stats.dropped == 0
        sent[share[0]] = targets
    assert sent[1] == ["/1/2", "/1/5"]
    assert [each for each in sent[0] if each[1] == "0"] == ["/0/1", "/0/3", "/0/6"]
    assert [each for each in sent[0] if each[1] == "2"] == ["/2/0", "/2/4"]


def test_a_request_waits_for_its_session_and_its_waiting_counts():
    """A slow response delays the next request of its session alone, and counts there."""

    def slow(peer: Peer) -> None:
        while (request := peer.read()) is not None:
            if request.target == "/0/0":
                time.sleep(0.2)  # the response time that is measured
            peer.answer()

    recorder = Recorder()
    with serve(slow) as server:
        load = Load(
            server.url,
            schedule_of((0, 0), (20, 0), (40, 1), (60, 0)),
            Numbered(mix(nothing).weights),
            [User(0), User(1)],
        )
        stats = run_load(load, recorder)
    targets = [each.target for each in sorted(server.requests, key=lambda each: each.at_ns)]
    assert targets == ["/0/0", "/1/2", "/0/1", "/0/3"]
    assert stats.waited == 2
    assert stats.deviation is not None
    assert stats.deviation.max_ns is not None
    assert stats.deviation.max_ns >= 170_000_000
    assert recorder.snapshot().total("main").response.quantile_ns(0.5) >= 130_000_000
