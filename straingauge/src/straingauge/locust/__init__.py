"""straingauge in Locust: journeys as tasks, the same record, verdict and result file as pytest's.

    from straingauge.locust import JourneyUser

Importing this package imports Locust, which patches the standard library for gevent: nothing else
of straingauge does.
"""

from straingauge.locust import figures as figures  # listens to Locust
from straingauge.locust.shapes import Breakpoint, Constant, Soak, Spike, Steps
from straingauge.locust.user import JourneyUser
from straingauge.locust.waits import constant_pacing, constant_throughput, poisson, together

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
    "together",
]
