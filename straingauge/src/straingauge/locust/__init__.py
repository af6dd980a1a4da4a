"""straingauge for Locust: journeys as tasks, with exact percentiles, verdict and result file.

    from locust import between, task
    from straingauge.locust import JourneyUser

    class Reader(JourneyUser):
        wait_time = between(1, 3)

        @task
        def read(self):
            self.run_journey(journeys.read)

Base class:
    JourneyUser: A Locust user that runs journeys, and sends plain requests as FastHttpUser does.
    scenario_users: A user class for each scenario.

Wait times, which keep their pace however slow the service is, and so count its delays instead of
omitting them (coordinated omission):
    constant_pacing: A task run at a fixed interval for each user.
    constant_throughput: A number of task runs per second for each user.
    poisson: Task runs at random times, at an average rate for each user.
    synchronized: Task runs of all users at the same times.

Load shapes by arrival rate (open model):
    Constant: A constant rate, evenly spaced or random.
    Steps: One rate after the other.
    RateStages: Linear changes from one rate to the next.
    Spike: A higher rate for a while.
    Soak: A ramp, then a constant rate.
    Breakpoint: A growing rate until the service exceeds a limit.

Load shape by number of users (closed model):
    UserStages: Linear changes from one number of users to the next.

Event:
    transaction_ended: A transaction of a journey has ended.

Options of the `locust` command and its exit codes: see `straingauge.locust.options`.

Importing this package imports Locust, which patches the standard library for gevent; no other part
of straingauge does that.
"""

from straingauge.extras import install_command

try:
    from straingauge.locust.arrivals.shapes import (
        Breakpoint,
        Constant,
        RateStages,
        Soak,
        Spike,
        Steps,
    )
    from straingauge.locust.arrivals.user_stages import UserStages
    from straingauge.locust.stats import stats_buckets as stats_buckets
    from straingauge.locust.stats.journey_transactions import transaction_ended
    from straingauge.locust.user.scenario_users import scenario_users
    from straingauge.locust.user.user import JourneyUser
    from straingauge.locust.user.wait_time import (
        constant_pacing,
        constant_throughput,
        poisson,
        synchronized,
    )
except ModuleNotFoundError as error:
    if error.name in ("locust", "gevent"):
        message = f"straingauge.locust needs Locust: {install_command('locust')}"
        raise ImportError(message, name=error.name) from None
    raise

__all__ = [
    "Breakpoint",
    "Constant",
    "JourneyUser",
    "RateStages",
    "Soak",
    "Spike",
    "Steps",
    "UserStages",
    "constant_pacing",
    "constant_throughput",
    "poisson",
    "scenario_users",
    "synchronized",
    "transaction_ended",
]
