"""The rate and duration of sampling the code that a service runs."""

import pytest
from straingauge.profile.sampling import Sampling, plan_sampling, rate_for


@pytest.mark.parametrize(
    ("load_s", "is_requested", "expected"),
    [
        (None, False, None),
        (9.9, False, None),
        (10, False, Sampling(50, 4)),
        (300, False, Sampling(50, 20)),
        (None, True, Sampling(100, 10)),
        (1, True, Sampling(100, 2)),
        (20, True, Sampling(100, 8)),
    ],
)
def test_sampling_is_a_bounded_part_of_the_load(
    load_s: float | None, expected: Sampling | None, *, is_requested: bool
) -> None:
    """Short loads are sampled on request only, and long ones for a bounded time."""
    assert plan_sampling(load_s, is_requested=is_requested) == expected


@pytest.mark.parametrize(("threads", "rate_hz"), [(1, 50), (20, 50), (100, 10), (5_000, 1)])
def test_a_process_with_many_threads_is_sampled_rarely(threads: int, rate_hz: int) -> None:
    """A sample stops each thread of the process, so that many threads get fewer samples."""
    assert rate_for(50, threads) == rate_hz
