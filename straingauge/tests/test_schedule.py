"""Schedules are pure functions of n, and shares of one make up the whole."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.schedule import Arrivals, constant, share, spread, users, waves

schedules = st.one_of(
    st.builds(
        constant,
        rate_per_s=st.floats(0.1, 1000),
        duration_s=st.floats(0.1, 1),
    ),
    st.builds(spread, count=st.integers(1, 500), duration_s=st.floats(0.001, 1000)),
    st.integers(1, 20).flatmap(
        lambda most: st.builds(
            waves,
            concurrent=st.integers(1, 30),
            every_s=st.floats(0, 10),
            at_least=st.integers(1, most),
            at_most=st.just(most),
        )
    ),
)


def all_of(schedule: Arrivals) -> list[float]:
    """All arrivals, in order."""
    times: list[float] = []
    while (at := schedule.arrivals(len(times))) is not None:
        times.append(at)
    return times


def test_constant_rate_is_exact_for_every_arrival():
    """At 8/s for 2 s there are 16 arrivals, the n-th exactly n/8 s after the start."""
    assert all_of(constant(rate_per_s=8, duration_s=2)) == [n / 8 for n in range(16)]


@pytest.mark.parametrize(("rate", "duration", "count"), [(0.1, 30, 3), (10, 0.3, 3), (3, 0.5, 2)])
def test_the_count_is_not_off_by_a_float(rate: float, duration: float, count: int):
    """The number of arrivals is that of exact arithmetic, though 0.1 has no exact float."""
    assert constant(rate_per_s=rate, duration_s=duration).count == count


def test_spread_sends_exactly_its_count():
    """500 over 60 s are 500, evenly apart, the last one interval before the end."""
    times = all_of(spread(count=500, duration_s=60))
    assert len(times) == 500
    assert times == [pytest.approx(n * 0.12) for n in range(500)]


def test_waves_come_together():
    """Each wave's arrivals share one instant."""
    assert all_of(waves(concurrent=2, every_s=3, at_least=1, at_most=3)) == [0, 0, 3, 3, 6, 6]


def test_a_ramp_starts_users_one_by_one():
    """With 4 users over 2 s one starts every half second, the first at once."""
    ramped = users(count=4, iterations=1, ramp_s=2)
    assert [ramped.begins(n) for n in range(4)] == [0, 0.5, 1, 1.5]


@given(schedules)
def test_the_count_is_the_number_of_arrivals(schedule: Arrivals):
    """A schedule has as many arrivals as it says, in order, none before the start."""
    times = all_of(schedule)
    assert len(times) == schedule.count
    assert times == sorted(times)
    assert all(at >= 0 and math.isfinite(at) for at in times)


@given(schedules, st.integers(1, 60))
def test_shares_make_up_the_whole(schedule: Arrivals, n: int):
    """N shares together are the schedule: no arrival missing, none twice."""
    parts = [all_of(share(schedule, i, n)) for i in range(n)]
    assert [len(part) for part in parts] == [share(schedule, i, n).count for i in range(n)]
    interleaved = [parts[k % n][k // n] for k in range(schedule.count or 0)]
    assert interleaved == all_of(schedule)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: constant(rate_per_s=0, duration_s=1),
        lambda: constant(rate_per_s=1, duration_s=-1),
        lambda: constant(rate_per_s=math.nan, duration_s=1),
        lambda: constant(rate_per_s=1, duration_s=math.inf),
        lambda: spread(count=0, duration_s=1),
        lambda: waves(concurrent=0),
        lambda: waves(concurrent=1, at_least=3, at_most=2),
        lambda: waves(concurrent=1, every_s=-1),
        lambda: users(count=1),
        lambda: users(count=1, iterations=0),
        lambda: users(count=1, duration_s=1, think_s=(2, 1)),
        lambda: users(count=1, duration_s=1, ramp_s=-1),
        lambda: share(spread(count=1, duration_s=1), 2, 2),
    ],
)
def test_nonsense_is_refused_before_anything_is_sent(wrong: Callable[..., object]):
    """A schedule that makes no sense is a usage error as soon as it is worded."""
    with pytest.raises(UsageError):
        wrong()
