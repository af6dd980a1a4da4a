"""The warm-up is found where there is one, and nowhere else."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_server import answering, serve
from straingauge.engine import Load, run_load
from straingauge.engine.phases import sinks_by_start
from straingauge.errors import UsageError
from straingauge.journey import User, mix
from straingauge.recording import Record, Recorder
from straingauge.schedule import constant, ramp
from straingauge.statistics import Warmup, split_warmup

Level = Callable[[float], float]
"""The response time of a service in ms, by time in seconds."""


def run(
    level_ms: Level, *, seconds: float = 20, rate: int = 100, seed: int = 3, scatter: float = 0.4
) -> Record:
    """The record of one process: an endpoint, and one that is ten times as slow.

    Times are lognormal, with this standard deviation of their logarithm.
    """
    chance = np.random.default_rng(seed)
    recorder = Recorder()
    sinks_at = sinks_by_start(recorder, "main", 0, warmup_s=0, detect=True)
    for n in range(int(seconds * rate)):
        at_ns = n * 1_000_000_000 // rate
        slow = chance.random() < 0.3
        took_ms = level_ms(at_ns / 1e9) * chance.lognormal(0, scatter) * (10 if slow else 1)
        sink = sinks_at(at_ns)["GET /slow" if slow else "GET /quick"]
        sink.add(at_ns, at_ns, at_ns + 1, at_ns + int(took_ms * 1e6), 200, None)
    return recorder.snapshot()


def found(record: Record) -> Warmup:
    """Detect the warm-up of a record."""
    _, warmup = split_warmup(record)
    assert warmup is not None
    return warmup


@pytest.mark.parametrize(
    ("warm_s", "seconds", "cut_s"),
    [
        (0.3, 20, 0.5),
        (0.9, 20, 1),
        (1.7, 20, 2),
        (3, 20, 4),
        (3, 10, 4),
        (7, 20, 8),
        (8, 20, 8),
        (30, 80, 32),
    ],
)
def test_a_service_that_has_to_warm_up(warm_s: float, seconds: float, cut_s: float):
    """Slow in its first three seconds means: measured from the fourth on, and why."""
    warmup = found(run(lambda at_s: 30 if at_s < warm_s else 10, seconds=seconds))
    assert warmup.duration_s == cut_s
    assert warmup.requests == cut_s * 100
    assert f"to {cut_s:g} s" in warmup.reason


def test_a_gradual_warm_up_is_cut_where_it_no_longer_matters():
    """A cache that fills, e-fold every second from five times as slow, is warm by 4 s or 8 s."""
    warmup = found(run(lambda at_s: 10 * (1 + 4 * float(np.exp(-at_s))), seconds=40, rate=300))
    assert warmup.duration_s in {4, 8}


@pytest.mark.parametrize("scatter", [0.1, 0.5, 1.0])
def test_a_steady_service_has_none(scatter: float):
    """Of 100 runs of a steady service, however much it scatters, at most 5 have a warm-up."""
    runs = [found(run(lambda _: 10, seconds=8, seed=seed, scatter=scatter)) for seed in range(100)]
    assert sum(warmup.duration_s > 0 for warmup in runs) <= 5


def test_what_comes_in_bursts_is_rarely_taken_for_one():
    """Of 100 services that are slow for a random second in eight, at most 10 have a warm-up."""

    def bursts(seed: int) -> Level:
        slow = np.random.default_rng(seed).random(60) < 1 / 8
        return lambda at_s: 20 if slow[int(at_s)] else 10

    runs = [found(run(bursts(seed), seconds=60, rate=50, seed=seed)) for seed in range(100)]
    assert sum(warmup.duration_s > 0 for warmup in runs) <= 10


@pytest.mark.parametrize("growth", [0.01, 0.1, 1])
def test_a_service_that_gets_slower_has_none(growth: float):
    """Slower and slower is a defect to be judged, and no warm-up."""
    assert found(run(lambda at_s: 10 * (1 + growth * at_s))).duration_s == 0


def test_never_more_than_half_a_run():
    """A service that is still getting quicker at half of the run is judged on all of it."""
    warmup = found(run(lambda at_s: 100 - 4 * at_s))
    assert (warmup.duration_s, warmup.requests) == (0, 0)
    assert "had not certainly ended 8 s after the start" in warmup.reason


@given(warm_s=st.floats(0, 60), seconds=st.floats(1, 70))
@settings(max_examples=40, deadline=None)
def test_what_is_cut_is_at_most_half(warm_s: float, seconds: float):
    """Wherever a warm-up ends, the run goes on for as long again after the cut."""
    warmup = found(run(lambda at_s: 40 if at_s < warm_s else 10, seconds=seconds, rate=30))
    assert warmup.duration_s <= seconds / 2


def test_a_slight_difference_is_none():
    """Surely slower, by five percent, is no reason to leave a measurement out."""
    assert found(run(lambda at_s: 10.5 if at_s < 4 else 10, rate=3000, scatter=0.1)).duration_s == 0


@pytest.mark.parametrize(("seconds", "rate"), [(0.4, 100), (20, 1)])
def test_too_little_to_tell(seconds: float, rate: int):
    """Without enough data no warm-up is removed, and the reason says so."""
    warmup = found(run(lambda at_s: 50 if at_s < 4 else 10, seconds=seconds, rate=rate))
    assert warmup.duration_s == 0
    assert "too few requests" in warmup.reason


def test_a_changing_mix_is_none():
    """A slow endpoint that is called at the start only is no warm-up of the others."""
    recorder = Recorder()
    sinks_at = sinks_by_start(recorder, "main", 0, warmup_s=0, detect=True)
    for n in range(2000):
        at_ns = n * 10_000_000
        name, took_ns = ("POST /login", 300_000_000) if n < 100 else ("GET /", 5_000_000 + n)
        sinks_at(at_ns)[name].add(at_ns, at_ns, at_ns, at_ns + took_ns, 200, None)
    assert found(recorder.snapshot()).duration_s == 0


@given(warm_s=st.floats(0, 12), seconds=st.floats(0.1, 40), shards=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_nothing_is_lost(warm_s: float, seconds: float, shards: int):
    """Wherever it is cut, warm-up and main together are the run, and no segment is left."""
    level: Level = lambda at_s: 40 if at_s < warm_s else 10  # noqa: E731
    parts = [run(level, seconds=seconds, rate=20, seed=seed) for seed in range(shards)]
    whole = Record().merge(*parts)
    settled, warmup = split_warmup(whole)
    assert warmup is not None
    assert {name for name, _ in settled.series} <= {"warmup", "main"}
    assert settled.requests("warmup") == warmup.requests
    both = settled.total("main")
    both.merge(settled.total("warmup"))
    alone, together = Record(), Record()
    alone.series["all", ""], together.series["all", ""] = whole.total("main"), both
    assert alone == together


def test_segments_count_as_their_phase_while_a_run_lasts():
    """During the run, the main phase includes all segments."""
    record = run(lambda _: 10)
    assert record.phases == ["main"]
    assert record.requests("main") == record.total("main").requests == 2000
    assert list(record.endpoints("main")) == ["GET /quick", "GET /slow"]
    assert sum(each.response.count for each in record.endpoints("main").values()) == 2000


def test_a_record_without_segments_is_left_alone():
    """Without detection no warm-up is removed."""
    recorder = Recorder()
    recorder.endpoint_sink("main", "GET /", 0).add(0, 0, 1, 5, 200, None)
    record = recorder.snapshot()
    assert split_warmup(record) == (record, None)


def get(user: User):
    """One GET."""
    yield user.get("/")


def test_the_engine_keeps_a_runs_beginning_in_segments():
    """Each request counts in the segment its journey was due in, all of them in the phase."""
    recorder = Recorder()
    with serve(answering()) as server:
        schedule = constant(rate_per_s=40, duration_s=1.5)
        load = Load(server.url, schedule, mix(get), [User(n) for n in range(5)])
        run_load(load, recorder, detect_warmup=True)
    record = recorder.snapshot()
    segments = {name: series.requests for (name, _), series in sorted(record.series.items())}
    assert segments == {"main@0": 20, "main@0.5": 20, "main@1": 20}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"warmup_s": 1.0}, "either given or detected"),
        ({"schedule": ramp(from_per_s=9, to_per_s=1, duration_s=1)}, "detected in a ramp"),
    ],
)
def test_no_detection_where_it_makes_no_sense(given: dict, says: str):
    """A warm-up that is given already, or a load that changes by itself, is refused at once."""
    schedule = given.pop("schedule", constant(rate_per_s=1, duration_s=1))
    load = Load("http://127.0.0.1:9", schedule, mix(get), [User(0)])
    with pytest.raises(UsageError, match=says):
        run_load(load, Recorder(), detect_warmup=True, **given)
