"""straingauge in Locust: journeys as tasks, the same record, verdict and result file as pytest's.

    from straingauge.locust import JourneyUser

Importing this package imports Locust, which patches the standard library for gevent: nothing else
of straingauge does.
"""

from straingauge.locust.arrivals.shapes import Breakpoint, Constant, Soak, Spike, Steps
from straingauge.locust.stats import stats_buckets as stats_buckets
from straingauge.locust.user.user import JourneyUser
from straingauge.locust.user.wait_time import (
    constant_pacing,
    constant_throughput,
    poisson,
    synchronized,
)

__all__ = [
    "Breakpoint",
    "Constant",
    "JourneyUser",
    "Soak",
    "Spike",
    "Steps",
    "constant_pacing",
    "constant_throughput",
    "poisson",
    "synchronized",
]
