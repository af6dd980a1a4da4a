"""Each open schedule is run as specified, and described in the result."""

import json
import time
from dataclasses import fields

import pytest
from raw_server import answering, serve
from straingauge.engine import Load, run_load
from straingauge.journey import User, mix
from straingauge.recording import Record, Recorder
from straingauge.runner.warmup import schedule_as_dict
from straingauge.schedule import (
    Poisson,
    Ramp,
    RampingRate,
    Spike,
    Steps,
    poisson,
    ramp,
    spike,
    steps,
)

Changing = Poisson | Ramp | RampingRate | Spike | Steps

SCHEDULES: list[tuple[Changing, int]] = [
    (ramp(from_per_s=0, to_per_s=400, duration_s=0.3), 60),
    (RampingRate(((0.1, 400), (0.1, 400), (0.1, 0))), 80),
    (steps([(100, 0.1), (400, 0.1), (50, 0.1)]), 55),
    (spike(base_per_s=50, spike_per_s=500, at_s=0.1, lasts_s=0.1, duration_s=0.3), 60),
    (
        poisson(rate_per_s=200, duration_s=0.3, seed=1),
        poisson(rate_per_s=200, duration_s=0.3, seed=1).count,
    ),
]
names = [type(schedule).__name__ for schedule, _ in SCHEDULES]


def get(user: User):
    """One GET."""
    yield user.get("/")


@pytest.mark.parametrize(("schedule", "count"), SCHEDULES, ids=names)
def test_the_engine_sends_exactly_the_schedule(schedule: Changing, count: int):
    """Each arrival is sent once, none before its time, and the server sees no other."""
    recorder = Recorder()
    start_ns = time.monotonic_ns() + 50_000_000
    with serve(answering()) as server:
        load = Load(server.url, schedule, mix(get), [User(n) for n in range(10)])
        report = run_load(load, recorder, start_ns=start_ns)
    assert recorder.snapshot().total("main").statuses[200] == report.sent == count
    assert len(server.requests) == schedule.count == count
    assert report.dropped == 0
    arrived_ns = sorted(request.at_ns for request in server.requests)
    for n, at_ns in enumerate(arrived_ns):
        due_s = schedule.arrivals(n)
        assert due_s is not None
        assert at_ns >= start_ns + round(due_s * 1e9)


@pytest.mark.parametrize(("schedule", "count"), SCHEDULES, ids=names)
def test_processes_send_it_exactly_together(schedule: Changing, count: int):
    """Three processes that share the schedule send it once between them."""
    records = []
    with serve(answering()) as server:
        load = Load(server.url, schedule, mix(get), [User(n) for n in range(9)])
        for i in range(3):
            recorder = Recorder()
            run_load(load, recorder, share=(i, 3))
            records.append(recorder.snapshot())
    assert len(server.requests) == count
    assert Record().merge(*records).total("main").statuses[200] == count


def test_a_load_without_arrivals_ends():
    """A random schedule that came out empty sends nothing and does not hang."""
    empty = poisson(rate_per_s=1e-9, duration_s=1)
    assert empty.count == 0
    with serve(answering()) as server:
        report = run_load(Load(server.url, empty, mix(get), [User(0)]), Recorder())
    assert report.sent == len(server.requests) == 0


@pytest.mark.parametrize(("schedule", "count"), SCHEDULES, ids=names)
def test_the_result_shows_how_it_was_worded(schedule: Changing, count: int):
    """A result's configuration names the schedule and every argument, and no more, as JSON."""
    shown = json.loads(json.dumps(schedule_as_dict(schedule), allow_nan=False))
    assert shown.pop("kind") == type(schedule).__name__.lower()
    assert shown.keys() == {field.name for field in fields(schedule)}
    again = {name: tuple(map(tuple, v)) if isinstance(v, list) else v for name, v in shown.items()}
    assert type(schedule)(**again) == schedule
    assert type(schedule)(**again).count == count
