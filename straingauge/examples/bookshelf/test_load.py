"""Load tests of the bookshelf service: run `pytest` in this folder."""

import journeys
import pytest

from straingauge import constant, spike


@pytest.mark.load(endpoints=journeys.endpoints)
def test_readers(load):
    """Thirty readers per second search, one in ten borrows, and no book is lent twice."""
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
    """Ten readers per second, with a spike of sixty for two seconds."""
    run = load.run(
        "school_class",
        journeys.search,
        spike(base_per_s=10, spike_per_s=60, at_s=2, lasts_s=2, duration_s=6),
        users=60,
    )
    load.judge(run)
