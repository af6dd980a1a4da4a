"""The same works in Locust: `locust -f locustfile.py Get`, Mix or Uploads.

By Locust's own FastHttpUser, or with LEAN=1 by straingauge's JourneyUser: another base class, and
not another line.
"""

import os
import random
import sys
from pathlib import Path

from locust import task

if "LEAN" in os.environ:
    from straingauge.locust import JourneyUser as HttpUser
else:
    from locust import FastHttpUser as HttpUser

sys.path.append(str(Path(__file__).resolve().parent.parent))
import pages


class Get(HttpUser):
    """One GET."""

    @task
    def read(self) -> None:
        """One GET."""
        self.client.get(pages.GET_PATH)


class Mix(HttpUser):
    """Logs in, opens the list, reads one of its sessions."""

    @task
    def work(self) -> None:
        """As `work` of straingauge_load.py."""
        account = {"email": "test@example.com", "password": "TestPass123!"}
        with self.client.post(pages.LOGIN_PATH, json=account, catch_response=True) as answer:
            token = answer.json()["access_token"]
            if not token:
                answer.failure("no token")
        headers = {"Authorization": f"Bearer {token}"}
        with self.client.get(pages.LIST_PATH, headers=headers, catch_response=True) as answer:
            rows = answer.json()
            if not rows or not all(row["id"] for row in rows):
                answer.failure("no sessions, or one without id")
        session = random.choice(rows)["id"]
        with self.client.get(
            f"{pages.LIST_PATH}{session}",
            name=f"{pages.LIST_PATH}{{id}}",
            headers=headers,
            catch_response=True,
        ) as answer:
            if answer.json()["id"] != session:
                answer.failure("another session than asked for")


class Uploads(HttpUser):
    """Uploads a file, read anew each time."""

    @task
    def upload(self) -> None:
        """As `upload_of` of straingauge_load.py."""
        with Path(os.environ["UPLOAD_FILE"]).open("rb") as file:
            self.client.post(pages.UPLOAD_PATH, data={"patient_id": "1"}, files={"file": file})
