"""Seconds of a load, from reports that each have everything so far."""

import pytest
from made_load import MadeLoad, counter
from straingauge.exports import Second, SecondCounter
from straingauge.observe import Observations
from straingauge.recording import OTHER, endpoint_names


def second_of(counted: SecondCounter, load: MadeLoad, at_s: float) -> Second:
    """Return the second that ends at an instant."""
    second = counted.count(load.merged(at_s))
    assert second is not None
    return second


def test_a_second_has_its_own_sum_of_times():
    """The sum and the extremes of the response times are those of the second alone."""
    load, counted = MadeLoad(), counter()
    load.requests("p1", "GET /a", 10, 5)
    second_of(counted, load, 1.0)
    load.requests("p1", "GET /a", 2, 900)
    times = second_of(counted, load, 2.0).endpoints["GET /a"].response
    assert (times.count, times.sum_ns) == (2, 1_800_000_000)
    assert times.min_ns == pytest.approx(900e6, rel=0.008)
    assert times.max_ns == 900_000_000


def test_times_beyond_the_histogram_are_of_their_second():
    """Responses after more than an hour count once, in the second in which they came."""
    load, counted = MadeLoad(), counter()
    for at_s in (1.0, 2.0):
        load.requests("p1", "GET /a", 3, 4_000_000)
        times = second_of(counted, load, at_s).endpoints["GET /a"].response
        assert (times.count, times.overflow) == (3, 3)


def test_endpoints_beyond_the_limit_are_one(monkeypatch: pytest.MonkeyPatch):
    """Names beyond the limit of a run are added up as one, in all seconds."""
    monkeypatch.setattr(endpoint_names, "MAX_ENDPOINTS", 4)
    load, counted = MadeLoad(), counter()
    for number in range(3):
        load.requests("p1", f"GET /a/{number}", 1, 1)
        load.requests("p2", f"GET /b/{number}", 1, 1)
    endpoints = second_of(counted, load, 1.0).endpoints
    assert len(endpoints) == 4 + 1
    assert endpoints[OTHER].requests == 2


def test_a_second_without_requests_is_a_second():
    """A service that does not respond has seconds, too, of zero requests."""
    load, counted = MadeLoad(), counter()
    load.requests("p1", "GET /a", 10, 5)
    second_of(counted, load, 1.0)
    second = second_of(counted, load, 2.0)
    assert (second.start_s, second.end_s, second.endpoints) == (1.0, 2.0, {})


def test_time_does_not_go_back():
    """A second ends no earlier than the one before, though a process that was ahead has ended."""
    load, counted = MadeLoad(), counter()
    second_of(counted, load, 2.0)
    load.requests("p1", "GET /a", 10, 5)
    second = second_of(counted, load, 1.5)
    assert (second.start_s, second.end_s, second.time) == (2.0, 2.0, 1_002.0)


@pytest.mark.parametrize(
    ("samples", "cpu_percent", "rss_bytes"),
    [
        ([], None, None),
        ([{"t_ns": 1e9, "cpu_s": 3.0, "rss_bytes": 7e6}], None, 7e6),
        ([{"t_ns": 1e9, "cpu_s": 3.0}, {"t_ns": 3e9, "cpu_s": 4.0, "rss_bytes": 8e6}], 50, 8e6),
        ([{"t_ns": 1e9, "cpu_s": 3.0}, {"t_ns": 3e9, "cpu_s": 0.5}], None, None),
        ([{"t_ns": 1e9}, {"t_ns": 3e9, "cpu_s": 0.5}], None, None),
    ],
)
def test_service_is_that_of_the_last_samples(
    samples: list[dict[str, float]], cpu_percent: float | None, rss_bytes: float | None
):
    """CPU is in percent of a core between the last two samples; after a restart it is unknown."""
    load = MadeLoad()
    load.observations = Observations(samples=samples)
    second = second_of(counter(), load, 1.0)
    assert (second.server_cpu_percent, second.server_rss_bytes) == (cpu_percent, rss_bytes)
