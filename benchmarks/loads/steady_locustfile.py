"""Many users of straingauge's in Locust, each at one request a second; says what they did.

What it says goes as JSON into the file that STEADY_REPORT names: the most memory, and the rates of
the slowest and of the fastest user over the time in which all were there.
"""

import json
import os
from pathlib import Path
from time import monotonic

import gevent
from locust import constant_throughput, events, task
from locust.env import Environment
from straingauge.locust import JourneyUser
from straingauge_load import pages, peak_resident_bytes

SETTLE_S, WINDOW_S = 2.0, 60.0
users: list["Steady"] = []
rates: list[float] = []


class Steady(JourneyUser):
    """One GET a second."""

    wait_time = constant_throughput(1)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.made = 0
        users.append(self)

    @task
    def read(self) -> None:
        """One GET."""
        self.client.get(pages.GET_PATH)
        self.made += 1


@events.spawning_complete.add_listener
def watch(**_: object) -> None:
    """All are there: see what each does in the time to come."""
    gevent.spawn(_watch)


def _watch() -> None:
    gevent.sleep(SETTLE_S)
    began_s, before = monotonic(), [user.made for user in users]
    gevent.sleep(WINDOW_S)
    took_s = monotonic() - began_s
    rates.extend((user.made - then) / took_s for user, then in zip(users, before, strict=True))


@events.quit.add_listener
def say(**_: object) -> None:
    """Write down what was seen."""
    said = {
        "peak_mb": peak_resident_bytes() / 1e6,
        "users_seen": len(rates),
        "slowest_user_rps": min(rates, default=0.0),
        "fastest_user_rps": max(rates, default=0.0),
    }
    Path(os.environ["STEADY_REPORT"]).write_text(json.dumps(said))
