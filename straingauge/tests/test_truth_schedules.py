"""Truth 2, exact schedules: every arrival's time, and N shares that are the whole.

Random arrivals are in test_truth_poisson.py.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.schedule import (
    Arrivals,
    Ramp,
    Spike,
    Steps,
    constant,
    constant_users,
    poisson,
    ramp,
    share,
    spike,
    spread,
    steps,
    waves,
)

rates = st.floats(0.1, 1000)
durations = st.floats(0.1, 1)

ramps = st.builds(
    ramp, from_per_s=st.just(0.0) | rates, to_per_s=rates, duration_s=durations
) | st.builds(ramp, from_per_s=rates, to_per_s=st.just(0.0) | rates, duration_s=durations)

stairs = st.builds(steps, st.lists(st.tuples(rates, durations), min_size=1, max_size=5))

spikes = st.builds(
    lambda base, higher, before, during, after: spike(
        base_per_s=base,
        spike_per_s=base + higher,
        at_s=before,
        lasts_s=during,
        duration_s=before + during + after,
    ),
    rates,
    rates,
    st.just(0.0) | durations,
    durations,
    st.just(0.0) | durations,
)

schedules = st.one_of(
    st.builds(constant, rate_per_s=rates, duration_s=durations),
    ramps,
    stairs,
    spikes,
    # Several cells, so that shares and order are held over their edges.
    st.builds(
        poisson,
        rate_per_s=st.floats(0.1, 4000),
        duration_s=durations,
        seed=st.integers(0, 2**64 - 1),
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


def test_requests_of_a_wave_share_one_instant():
    """Each wave's arrivals share one instant."""
    assert all_of(waves(concurrent=2, every_s=3, at_least=1, at_most=3)) == [0, 0, 3, 3, 6, 6]


def test_a_ramp_starts_users_one_by_one():
    """With 4 users over 2 s one starts every half second, the first at once."""
    ramped = constant_users(count=4, iterations=1, ramp_s=2)
    assert [ramped.begins(n) for n in range(4)] == [0, 0.5, 1, 1.5]


def test_a_ramp_is_exact():
    """From 0 to 10/s over 10 s, t^2 / 2 have come after t seconds: 50 in all, the 32nd at 8 s."""
    times = all_of(ramp(from_per_s=0, to_per_s=10, duration_s=10))
    assert times == [pytest.approx(math.sqrt(2 * n)) for n in range(50)]
    assert times[32] == 8


def test_a_ramp_down_is_a_ramp_up_backwards():
    """From 10/s to 0 the arrivals mirror those of the way up: n from the start as from the end."""
    down = all_of(ramp(from_per_s=10, to_per_s=0, duration_s=10))
    assert down == [pytest.approx(10 - math.sqrt(2 * (50 - n))) for n in range(50)]


def test_a_level_ramp_is_a_constant_rate():
    """With the same rate at both ends a ramp sends exactly what the constant rate sends."""
    level = ramp(from_per_s=7, to_per_s=7, duration_s=9)
    flat = constant(rate_per_s=7, duration_s=9)
    assert all_of(level) == [pytest.approx(at) for at in all_of(flat)]


def test_steps_are_exact():
    """2/s for 2 s and then 4/s for 1 s are 4 arrivals half a second apart and 4 a quarter."""
    times = all_of(steps([(2, 2), (4, 1)]))
    assert times == [0, 0.5, 1, 1.5, 2, 2.25, 2.5, 2.75]


def test_a_step_continues_the_previous_one():
    """Half an arrival left over at the end of a step is half the way to the next step's first."""
    assert all_of(steps([(1, 1.5), (10, 0.25)])) == [0, 1, pytest.approx(1.55), pytest.approx(1.65)]


def test_a_spike_is_steps_up_and_down():
    """A spike is the base rate, the spike's for as long as it lasts, and the base rate again."""
    rush = spike(base_per_s=10, spike_per_s=100, at_s=2, lasts_s=1, duration_s=5)
    assert rush.count == 20 + 100 + 20
    assert all_of(rush) == all_of(steps([(10, 2), (100, 1), (10, 2)]))


def rate_of(
    schedule: Ramp | Steps | Spike, at_s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The rate at each time, straight from the arguments."""
    if isinstance(schedule, Ramp):
        ends = [schedule.from_per_s, schedule.to_per_s]
        return np.interp(at_s, [0, schedule.duration_s], ends)
    if isinstance(schedule, Spike):
        inside = (at_s >= schedule.at_s) & (at_s < schedule.at_s + schedule.lasts_s)
        return np.where(inside, schedule.spike_per_s, schedule.base_per_s)
    ends_s = np.cumsum([lasts_s for _, lasts_s in schedule.steps])
    step = np.searchsorted(ends_s, at_s, side="right").clip(max=len(ends_s) - 1)
    return np.array([rate for rate, _ in schedule.steps])[step]


@given(ramps | stairs | spikes)
def test_arrivals_match_the_integrated_rate(schedule: Ramp | Steps | Spike):
    """Arrival n comes when the rate, integrated numerically from the start, reaches n."""
    slices = 20_000
    width_s = schedule.duration_s / slices
    rates_per_s = rate_of(schedule, (np.arange(slices) + 0.5) * width_s)
    due = np.concatenate([[0.0], np.cumsum(rates_per_s) * width_s])
    times = all_of(schedule)
    at_those = np.interp(times, np.arange(slices + 1) * width_s, due)
    # The midpoint rule errs by half a slice at each jump of the rate, and there are few.
    tolerance = 4 * width_s * rates_per_s.max() + 1e-6
    np.testing.assert_allclose(at_those, np.arange(len(times)), atol=tolerance)
    assert len(times) == pytest.approx(due[-1], abs=1 + tolerance)


@given(schedules)
def test_the_count_is_the_number_of_arrivals(schedule: Arrivals):
    """A schedule has as many arrivals as it says, in order, none before the start."""
    times = all_of(schedule)
    assert len(times) == schedule.count
    assert times == sorted(times)
    assert all(at >= 0 and math.isfinite(at) for at in times)


@given(schedules, st.integers(1, 60))
def test_shards_are_the_whole_schedule(schedule: Arrivals, n: int):
    """N shares together are the schedule: no arrival missing, none twice."""
    parts = [all_of(share(schedule, i, n)) for i in range(n)]
    assert [len(part) for part in parts] == [share(schedule, i, n).count for i in range(n)]
    interleaved = [parts[k % n][k // n] for k in range(schedule.count or 0)]
    assert interleaved == all_of(schedule)
