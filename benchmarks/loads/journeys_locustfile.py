"""straingauge's Locust user with the journeys of straingauge_load.py: Get, Mix or Uploads."""

import os
from pathlib import Path

import straingauge_load
from locust import task
from straingauge.locust import JourneyUser


class Get(JourneyUser):
    """Send GET requests."""

    @task
    def read(self) -> None:
        """Send GET requests."""
        self.run_journey(straingauge_load.read)


class Mix(JourneyUser):
    """Log in, open the list, read one of its sessions."""

    @task
    def work(self) -> None:
        """Run the engine's journey."""
        self.run_journey(straingauge_load.work)


class Uploads(JourneyUser):
    """Upload a file, which is read each time."""

    upload_it = staticmethod(straingauge_load.upload_of(Path(os.environ["UPLOAD_FILE"])))

    @task
    def upload(self) -> None:
        """Run the engine's journey."""
        self.run_journey(self.upload_it)
