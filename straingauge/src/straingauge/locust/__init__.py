"""straingauge in Locust: journeys as tasks, the same record, verdict and result file as pytest's.

    from straingauge.locust import JourneyUser

Importing this package imports Locust, which patches the standard library for gevent: nothing else
of straingauge does.
"""

from straingauge.locust.user import JourneyUser

__all__ = ["JourneyUser"]
