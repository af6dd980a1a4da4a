"""Growth of the service's memory during a load, as the result shows it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.observe import Observations, Sample
from straingauge.result.assembly.resources import resources


def memory(sizes_mb: list[float], every_s: float = 0.5) -> list[Sample]:
    """Samples of a service of these sizes."""
    return [
        {"t_ns": round(number * every_s * 1e9), "rss_bytes": size * 1e6, "cpu_s": number * 0.1}
        for number, size in enumerate(sizes_mb)
    ]


def grown(samples: list[Sample], requests: int) -> dict[str, Any]:
    """The memory section for these samples."""
    watched = Observations(samples, [], "process")
    return resources(watched, {}, requests)["service"]["memory"]


@given(per_request_mb=st.floats(0.01, 2), samples=st.integers(16, 60))
def test_leak_is_measured_by_the_request(per_request_mb: float, samples: int):
    """A service that keeps the same of each request grows by 200 times that for 200 requests."""
    requests = samples * 10
    sizes = [100 + per_request_mb * requests * n / (samples - 1) for n in range(samples)]
    found = grown(memory(sizes), requests)
    assert found["growth_mb_per_200_requests"] == pytest.approx(200 * per_request_mb, rel=1e-3)
    assert found["still_growing"] == (found["growth_mb_per_200_requests"] * requests / 200 > 3)


@given(stop_at=st.integers(2, 12), top_mb=st.floats(1, 40))
def test_cache_that_fills_and_stops_is_no_leak(stop_at: int, top_mb: float):
    """Memory that grows and then stays is not called steady growth."""
    sizes = [100 + min(n / stop_at, 1) * top_mb for n in range(40)]
    assert not grown(memory(sizes), 400)["still_growing"]


@given(warm_up_mb=st.floats(5, 40), pace=st.floats(0, 0.02))
def test_the_rest_of_a_warm_up_is_no_leak(warm_up_mb: float, pace: float):
    """Memory that goes on growing at a fiftieth of its first pace is not; at a fifth it is one."""

    def is_leak(pace: float) -> bool:
        grown_mb = [warm_up_mb * (min(n, 20) + pace * max(n - 20, 0)) / 20 for n in range(40)]
        return bool(grown(memory([100 + each for each in grown_mb]), 400)["still_growing"])

    assert not is_leak(pace)
    assert is_leak(pace + 0.2)


@given(per_request_mb=st.floats(0.001, 0.007), jump_mb=st.floats(0, 40))
def test_growth_of_the_allocator_is_no_leak(per_request_mb: float, jump_mb: float):
    """Growth of less than 3 MB in a whole run proves nothing, whatever it jumped by at first."""
    sizes = [100 + jump_mb * (n > 2) + per_request_mb * n * 10 for n in range(40)]
    assert not grown(memory(sizes), 400)["still_growing"]
    more = [size + 0.01 * n * 10 for n, size in enumerate(sizes)]
    assert grown(memory(more), 400)["still_growing"]


def test_memory_that_is_less_in_the_end_has_not_grown():
    """A rise is no growth if the memory was far higher at first and lower at the end."""
    sizes = [173.0] * 3 + [100 + n * 0.2 for n in range(37)]
    found = grown(memory(sizes), 400)
    assert found["growth_mb"] < 0
    assert not found["still_growing"]
