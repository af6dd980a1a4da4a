"""The same cases in Locust: `locust -f locustfile.py Get`, Mix or Uploads.

The users are Locust's FastHttpUser, or with JOURNEY_USER=1 straingauge's JourneyUser; only the base
class differs.
"""

import os
import random
import sys
from pathlib import Path

from locust import task

if "JOURNEY_USER" in os.environ:
    from straingauge.locust import JourneyUser as HttpUser
else:
    from locust import FastHttpUser as HttpUser

sys.path.append(str(Path(__file__).resolve().parent.parent))
import payloads


class Get(HttpUser):
    """Send GET requests."""

    @task
    def read(self) -> None:
        """Send GET requests."""
        self.client.get(payloads.GET_PATH)


class Mix(HttpUser):
    """Log in, open the list, read one of its sessions."""

    @task
    def work(self) -> None:
        """Do the same as `work` in straingauge_load.py."""
        account = {"email": "test@example.com", "password": "TestPass123!"}
        with self.client.post(payloads.LOGIN_PATH, json=account, catch_response=True) as response:
            token = response.json()["access_token"]
            if not token:
                response.failure("no token")
        headers = {"Authorization": f"Bearer {token}"}
        with self.client.get(payloads.LIST_PATH, headers=headers, catch_response=True) as response:
            rows = response.json()
            if not rows or not all(row["id"] for row in rows):
                response.failure("no sessions, or one without id")
        session = random.choice(rows)["id"]
        with self.client.get(
            f"{payloads.LIST_PATH}{session}",
            name=f"{payloads.LIST_PATH}{{id}}",
            headers=headers,
            catch_response=True,
        ) as response:
            if response.json()["id"] != session:
                response.failure("not the requested session")


class Uploads(HttpUser):
    """Upload a file, which is read each time."""

    @task
    def upload(self) -> None:
        """Do the same as `upload_of` in straingauge_load.py."""
        with Path(os.environ["UPLOAD_FILE"]).open("rb") as file:
            self.client.post(payloads.UPLOAD_PATH, data={"patient_id": "1"}, files={"file": file})
