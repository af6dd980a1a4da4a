"""Statistics with their confidence intervals, or the reason why there is none."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike
from straingauge.histogram import Histogram
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Record, Recorder
from straingauge.statistics import (
    Trend,
    degradation,
    endpoints,
    is_precise,
    metrics,
    quantile,
    samples_needed,
    theil_sen,
)
from straingauge.statistics.quantile import interval_ranks


def of_ms(values: ArrayLike) -> Histogram:
    """A histogram of these times in milliseconds."""
    histogram = Histogram()
    histogram.add((np.asarray(values) * 1e6).astype(np.int64))
    return histogram


@pytest.mark.parametrize(
    ("n", "q", "ranks"), [(100, 0.5, (40, 61)), (10, 0.5, (2, 9)), (6, 0.5, (1, 6))]
)
def test_interval_ranks_are_those_of_the_tables(n: int, q: float, ranks: tuple[int, int]):
    """The ranks of the median's 95 % interval are those printed in the literature."""
    assert interval_ranks(n, q) == ranks


@pytest.mark.parametrize(("q", "n"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_too_few_samples_is_an_answer(q: float, n: int):
    """Below the fewest samples a percentile has a reason in place of an interval."""
    few, enough = quantile(of_ms(range(1, n)), q), quantile(of_ms(range(1, n + 1)), q)
    assert samples_needed(q) == n
    assert (few.low_ms, few.high_ms) == (None, None)
    assert few.reason is not None
    assert f"needs {n}" in few.reason
    assert enough.reason is None
    assert enough.low_ms <= enough.value_ms <= enough.high_ms


def test_the_exact_and_the_approximate_ranks_meet():
    """Exact ranks and the normal approximation differ little where one replaces the other."""
    for q in (0.5, 0.95, 0.99):
        exact, near = interval_ranks(20_000, q), interval_ranks(20_001, q)
        assert exact is not None
        assert near is not None
        assert abs(exact[0] - near[0]) <= 3
        assert abs(exact[1] - near[1]) <= 3


def test_a_percentile_holds_once_its_interval_is_narrow():
    """More samples of the same kind make a percentile hold; too few never do."""
    chance = np.random.default_rng(5)
    assert not is_precise(of_ms([10.0] * 50), 0.95)
    assert not is_precise(of_ms(chance.exponential(10, 200)), 0.95)
    assert is_precise(of_ms(chance.exponential(10, 20_000)), 0.95)
    assert is_precise(of_ms([10.0] * 100), 0.95)


def test_no_samples_are_no_zeros():
    """An empty phase has no latency, and says why."""
    found = metrics(Record())
    assert found["total_requests"] == 0
    assert found["latency_ms"]["p95"] is None
    assert found["latency_ms"]["confidence_intervals"]["p95"]["reason"] == "no samples"


def test_metrics_are_arithmetic():
    """Statistics are those of the outcomes; a 429 is neither an error nor a response time."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    for n in range(90):
        at = n * 100_000_000
        sink.add(at, at + 1_000_000, at + 2_000_000, at + 5_000_000, 200, None)
    for kind in [ErrorKind.BAD_STATUS] * 5 + [ErrorKind.RATE_LIMITED] * 5:
        sink.add_failure(9_000_000_000, 9_000_000_000, 0, 9_005_000_000, RequestFailed(kind, "why"))
    found = metrics(recorder.snapshot())
    assert found["total_requests"] == 100
    assert found["duration_s"] == pytest.approx(9.005)
    assert found["throughput_rps"] == pytest.approx(100 / 9.005, rel=1e-3)
    assert found["rate_limited"] == 5
    assert found["error_rate_percent"] == pytest.approx(100 * 5 / 95, rel=1e-3)
    assert found["errors"]["kinds"] == {"bad_status": 5}
    assert found["latency_ms"]["samples"] == 95
    assert found["latency_ms"]["avg"] == pytest.approx(5)
    assert found["service_time_ms"]["max"] == pytest.approx(5)
    assert found["service_time_ms"]["p50"] == pytest.approx(4, rel=0.005)
    assert endpoints(recorder.snapshot())["GET /a"]["latency_ms"] == found["latency_ms"]


def test_a_broken_journey_is_an_error_even_if_its_requests_were_fine():
    """If the journey raises each time, the error rate is not 0."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    for n in range(10):
        sink.add(n, n, n, n + 1000, 200, None)
        sink.add_journey_error("KeyError: 'id'")
    assert metrics(recorder.snapshot())["error_rate_percent"] == 100


def test_a_trend_is_found_through_noise_and_wild_points():
    """A slope of 0.5 is found with a tenth of the points far off, and its interval holds it."""
    chance = np.random.default_rng(11)
    x = np.arange(100.0)
    y = 0.5 * x + chance.normal(0, 3, 100)
    y[::10] += 500
    trend = theil_sen(x, y)
    assert trend is not None
    assert trend.low < 0.5 < trend.high
    assert trend.slope == pytest.approx(0.5, abs=0.1)
    assert trend.rises


def test_the_interval_is_of_the_ranks_sens_formula_gives():
    """7 points, no ties, 93 %: Var S = 133/3, C = 12.06, so the 4th and 18th of 21 slopes."""
    x = [1, 2, 3, 4, 10, 12, 18]
    y = [9, 15, 19, 20, 45, 55, 78]
    pairs = [(i, j) for j in range(7) for i in range(j)]
    slopes = sorted((y[j] - y[i]) / (x[j] - x[i]) for i, j in pairs)
    trend = theil_sen(x, y, confidence=0.93)
    assert trend is not None
    assert (trend.low, trend.slope, trend.high) == (slopes[3], slopes[10], slopes[17])


def test_pure_noise_is_no_trend():
    """Of 300 runs of pure noise about 5 % show a trend, half of those a rising one."""
    chance = np.random.default_rng(13)
    trends = [theil_sen(range(60), chance.normal(0, 1, 60)) for _ in range(300)]
    significant = sum(trend is not None and not trend.low <= 0 <= trend.high for trend in trends)
    assert significant <= 0.09 * 300


def test_few_points_make_no_trend():
    """Four points tell nothing; many are joined, and the slope stays."""
    assert theil_sen([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert theil_sen([1] * 10, range(10)) is None
    many = theil_sen(range(5000), [3 * n for n in range(5000)])
    assert many is not None
    assert many.slope == pytest.approx(3)


def run(level_ms: Callable[[int], float]) -> Trend | None:
    """A minute of two endpoints, one ten times as slow and oftener towards the end."""
    chance = np.random.default_rng(17)
    recorder = Recorder()
    quick = recorder.endpoint_sink("main", "GET /quick", 0)
    slow = recorder.endpoint_sink("main", "GET /slow", 0)
    for second in range(60):
        for n in range(20):
            sink, base_ms = (slow, 100) if n * 60 < second * 12 else (quick, 10)
            at = second * 1_000_000_000 + n * 50_000_000
            took = int(base_ms * level_ms(second) * chance.lognormal(0, 0.1) * 1e6)
            sink.add(at, at, at, at + took, 200, None)
    return degradation(recorder.snapshot())


def test_a_changing_mix_is_no_degradation():
    """A service that stays as quick is not called slower because slow endpoints got commoner."""
    trend = run(lambda _: 1.0)
    assert trend is not None
    assert abs(trend.slope) < 5


def test_a_service_that_slows_down_is_found():
    """A service 60 % slower at the end of a minute shows a rising trend of about that size."""
    trend = run(lambda second: 1 + 0.6 * second / 60)
    assert trend is not None
    assert trend.rises
    assert trend.slope == pytest.approx(100 * 0.6 / 1.3, rel=0.25)


def test_a_slow_rise_of_steady_response_times_is_found():
    """Half a second for all, 2 % more each second, shows in six seconds, wild ones or none."""
    chance = np.random.default_rng(5)
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /", 0)
    for n in range(300):
        at = n * 20_000_000
        took_ms = 4000 if n % 40 == 7 else 500 * (1 + 0.02 * n / 50) + chance.normal(0, 4)
        sink.add(at, at, at, at + int(took_ms * 1e6), 200, None)
    trend = degradation(recorder.snapshot())
    assert trend is not None
    assert trend.low > 50


def test_six_seconds_that_fall_back_once_are_no_degradation():
    """Of six seconds each has to be slower than all before it: five of them could be by chance."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /", 0)
    for n, level_ms in enumerate([3.0, 3.4, 3.8, 3.7, 4.2, 4.6]):
        for i in range(50):
            at = n * 1_000_000_000 + i * 20_000_000
            sink.add(at, at, at, at + int(level_ms * 1e6), 200, None)
    trend = degradation(recorder.snapshot())
    assert trend is not None
    assert trend.slope > 0 > trend.low
