"""Load test of the portal: `pytest --load-host https://localhost:8443/portal`."""

import journeys
import pytest

from straingauge import constant


@pytest.mark.load(endpoints=journeys.endpoints)
def test_members(load):
    """Twenty members per second read their notes, and one in four writes one."""
    run = load.run(
        "members",
        journeys.mix,
        constant(rate_per_s=20, duration_s=3),
        users=load.accounts(journeys.account, 10, log_in=journeys.log_in),
    )
    load.judge(run)
