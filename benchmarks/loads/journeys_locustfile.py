"""straingauge's Locust user playing the journeys of straingauge_load.py: Get, Mix or Uploads."""

import os
from pathlib import Path

import straingauge_load
from locust import task
from straingauge.locust import JourneyUser


class Get(JourneyUser):
    """One GET."""

    @task
    def read(self) -> None:
        """One GET."""
        self.play(straingauge_load.read)


class Mix(JourneyUser):
    """Logs in, opens the list, reads one of its sessions."""

    @task
    def work(self) -> None:
        """The engine's own journey."""
        self.play(straingauge_load.work)


class Uploads(JourneyUser):
    """Uploads a file, read anew each time."""

    upload_it = staticmethod(straingauge_load.upload_of(Path(os.environ["UPLOAD_FILE"])))

    @task
    def upload(self) -> None:
        """The engine's own journey."""
        self.play(self.upload_it)
