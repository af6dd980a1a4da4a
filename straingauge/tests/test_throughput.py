"""Throughput: what a service completes while the schedule lasts."""

import numpy as np
import pytest
from straingauge.recording import Series
from straingauge.statistics import Plan, throughput

SECOND = 1_000_000_000


def series_of(starts_s: np.ndarray, response_s: np.ndarray) -> Series:
    """The series of requests with these intended starts and response times."""
    series = Series()
    begun = np.round(starts_s * SECOND).astype(np.int64)
    done = begun + np.round(response_s * SECOND).astype(np.int64)
    series.requests = len(begun)
    series.response.add(done - begun)
    series.in_flight.add(begun, done)
    series.add_span(int(begun.min()), int(done.max()))
    return series


STARTS = np.arange(200) / 20  # 20 per second for 10 s


def measured(response_s: np.ndarray, plan: Plan | None = Plan(10.0, is_open=True)) -> float:  # noqa: B008  immutable
    """The throughput of 20 requests per second for 10 s with these response times."""
    series = series_of(STARTS, response_s)
    return throughput(series, series, plan).per_s


def test_one_late_response_does_not_lower_the_throughput():
    """A response 20 s after the load is counted as a straggler, and the rate remains that sent."""
    response_s = np.full(200, 0.01)
    response_s[194] = 20
    series = series_of(STARTS, response_s)
    found = throughput(series, series, Plan(10.0, is_open=True))
    assert (found.per_s, found.stragglers) == (19.9, 1)
    assert found.longest_s == pytest.approx(19.7)


@pytest.mark.parametrize("response_s", [0.001, 1.5, 30.0])
def test_response_times_that_are_all_long_do_not_lower_the_throughput(response_s: float):
    """A service that keeps up, only later, has the throughput of the arrivals."""
    assert measured(np.full(200, response_s)) == 20


def test_a_service_that_falls_behind_has_its_own_throughput():
    """Responses after the load, from a queue, do not raise the throughput."""
    half_as_fast = (np.arange(200) + 1) / 10 - STARTS
    assert measured(half_as_fast) == pytest.approx(10, abs=0.2)


def test_constant_users_that_finish_early_are_measured_until_then():
    """Users with few iterations do not wait for the end of the schedule."""
    response_s = np.full(200, 0.01)
    assert measured(response_s, Plan(30.0, is_open=False)) == pytest.approx(20, abs=0.1)
    assert measured(response_s, None) == pytest.approx(20, abs=0.1)
    response_s[194] = 20
    assert measured(response_s, Plan(10.0, is_open=False)) == 19.9


def test_a_sparse_schedule_is_measured_to_its_end():
    """One arrival in 2 s is half a request per second, also after the last one of them."""
    series = series_of(np.arange(5) * 2.0, np.full(5, 0.01))
    assert throughput(series, series, Plan(10.0, is_open=True)).per_s == 0.5
