"""Many Locust users of straingauge with one request per second each, and a report about them.

Writes JSON to the file that STEADY_REPORT names: the peak memory, and the rates of the slowest and
of the fastest user while all users run.
"""

import json
import os
from pathlib import Path
from time import monotonic

import gevent
from locust import constant_throughput, events, task
from locust.env import Environment
from straingauge.locust import JourneyUser
from straingauge_load import payloads, peak_resident_bytes

SETTLE_S, WINDOW_S = 2.0, 20.0
users: list["Steady"] = []
rates: list[float] = []


class Steady(JourneyUser):
    """A user that sends one GET request per second."""

    wait_time = constant_throughput(1)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.requests = 0
        users.append(self)

    @task
    def read(self) -> None:
        """Send one GET request."""
        self.client.get(payloads.GET_PATH)
        self.requests += 1


@events.spawning_complete.add_listener
def start_measuring(**_: object) -> None:
    """Start measuring when all users run."""
    gevent.spawn(_measure)


def _measure() -> None:
    gevent.sleep(SETTLE_S)
    began_s, before = monotonic(), [user.requests for user in users]
    gevent.sleep(WINDOW_S)
    took_s = monotonic() - began_s
    rates.extend((user.requests - then) / took_s for user, then in zip(users, before, strict=True))


@events.quit.add_listener
def write_report(**_: object) -> None:
    """Write the report."""
    report = {
        "peak_mb": peak_resident_bytes() / 1e6,
        "users_seen": len(rates),
        "slowest_user_rps": min(rates, default=0.0),
        "fastest_user_rps": max(rates, default=0.0),
    }
    Path(os.environ["STEADY_REPORT"]).write_text(json.dumps(report))
