"""Members in Locust: `locust --headless --host https://localhost:8443/portal -u 10 -t 30s`."""

import journeys
from locust import constant, task
from straingauge.locust import JourneyUser


class Member(JourneyUser):
    """A member who reads and writes notes."""

    wait_time = constant(0.2)
    account = journeys.account
    log_in = journeys.log_in

    @task(3)
    def read(self):
        """Read notes."""
        self.run_journey(journeys.read)

    @task(1)
    def write(self):
        """Write a note."""
        self.run_journey(journeys.write)
