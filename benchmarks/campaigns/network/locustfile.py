"""The load of the campaign when Locust sends it."""

from campaigns.network.trial import LOCUST_USERS, RATE, TIMEOUT_S
from locust import constant, task
from straingauge.locust import JourneyUser


class Reader(JourneyUser):
    """Request a small response."""

    wait_time = constant(LOCUST_USERS / RATE)
    network_timeout = connection_timeout = float(TIMEOUT_S)

    @task
    def hello(self) -> None:
        """Send one request."""
        self.client.get("/hello")
