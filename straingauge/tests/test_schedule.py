"""A schedule that makes no sense is refused as soon as it is worded."""

import math
from collections.abc import Callable

import pytest
from straingauge.errors import UsageError
from straingauge.schedule import (
    chain,
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
        lambda: constant_users(count=1),
        lambda: constant_users(count=1, iterations=0),
        lambda: constant_users(count=1, duration_s=1, think_s=(2, 1)),
        lambda: constant_users(count=1, duration_s=1, ramp_s=-1),
        lambda: constant(rate_per_s=1e200, duration_s=1e200),
        lambda: poisson(rate_per_s=0, duration_s=1),
        lambda: poisson(rate_per_s=1, duration_s=math.nan),
        lambda: poisson(rate_per_s=1e6, duration_s=1e6),
        lambda: poisson(rate_per_s=1, duration_s=1, seed=-1),
        lambda: poisson(rate_per_s=1, duration_s=1, seed=0.5),
        lambda: ramp(from_per_s=0, to_per_s=0, duration_s=1),
        lambda: ramp(from_per_s=-1, to_per_s=2, duration_s=1),
        lambda: ramp(from_per_s=1, to_per_s=math.inf, duration_s=1),
        lambda: ramp(from_per_s=1, to_per_s=2, duration_s=0),
        lambda: steps([]),
        lambda: steps([(1, 2, 3)]),
        lambda: steps([(1, 1), (1, -1)]),
        lambda: spike(base_per_s=0, spike_per_s=2, at_s=1, lasts_s=1, duration_s=9),
        lambda: spike(base_per_s=3, spike_per_s=2, at_s=1, lasts_s=1, duration_s=9),
        lambda: spike(base_per_s=1, spike_per_s=2, at_s=-1, lasts_s=1, duration_s=9),
        lambda: spike(base_per_s=1, spike_per_s=2, at_s=8, lasts_s=2, duration_s=9),
        lambda: spike(base_per_s=1, spike_per_s=2, at_s=math.nan, lasts_s=2, duration_s=9),
        lambda: share(spread(count=1, duration_s=1), 2, 2),
        lambda: chain([]),
    ],
)
def test_nonsense_is_refused_before_anything_is_sent(wrong: Callable[..., object]):
    """A schedule that makes no sense is a usage error as soon as it is worded."""
    with pytest.raises(UsageError):
        wrong()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: steps([(5, 1), (0, 1)]), "rate_per_s of step 2 must be more than 0, not 0"),
        (lambda: steps([(5, math.inf)]), "duration_s of step 1 must be more than 0, not inf"),
        (
            lambda: spike(base_per_s=1, spike_per_s=2, at_s=8, lasts_s=2, duration_s=9),
            "the spike ends after 10 s, the schedule before that: duration_s is 9",
        ),
        (
            lambda: ramp(from_per_s=-5, to_per_s=1, duration_s=1),
            "from_per_s must be 0 or more, not -5",
        ),
        (lambda: poisson(rate_per_s=1e6, duration_s=1e6), "at most 1,000,000,000 arrivals, not 1e"),
    ],
)
def test_the_refusal_says_what_was_wrong(wrong: Callable[..., object], says: str):
    """A wrong schedule is an error that names the argument and what it should be."""
    with pytest.raises(UsageError) as caught:
        wrong()
    assert says in str(caught.value)


def test_chain_plays_one_schedule_after_the_other():
    """Each arrival of a chain is that of its link, later by how long the links before it last."""
    links = [spread(count=2, duration_s=4), constant(rate_per_s=1, duration_s=2)]
    whole = chain(links)
    assert [whole.arrivals(n) for n in range(5)] == [0.0, 2.0, 4.0, 5.0, None]
    assert (whole.count, whole.duration_s) == (4, 6)
