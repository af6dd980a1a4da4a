"""Load tests of the bookshelf; from this folder: pytest."""

import journeys
import pytest

from straingauge import constant, spike


@pytest.mark.load(endpoints=journeys.endpoints)
def test_readers(load):
    """Thirty readers a second come and look; each tenth borrows, and nothing lent is lent twice."""
    run = load.run(
        "readers",
        journeys.mix,
        constant(rate_per_s=30, duration_s=5),
        users=30,
        warm_up=constant(rate_per_s=10, duration_s=1),
        verify=journeys.verify,
    )
    load.judge(run)


@pytest.mark.load(endpoints=["GET /books", "GET /books/{isbn}"])
def test_school_class(load):
    """Ten readers a second, and for two seconds sixty."""
    run = load.run(
        "school_class",
        journeys.look,
        spike(base_per_s=10, spike_per_s=60, at_s=2, lasts_s=2, duration_s=6),
        users=60,
    )
    load.judge(run)
