"""Locust users of TherapyBridge, which run the journeys of journeys.py.

locust -f tests/performance/load_test.py --host=http://localhost:8000    (web UI on port 8089)
    ... --users 50 --spawn-rate 5 --run-time 5m --headless
    ... --tags upload --users 10 --spawn-rate 2 --headless

Tags: read, write, upload, extract, health, rate_limit, db_pool. Thresholds: thresholds.toml. Each
run writes results/metrics_<time>.json and exits with 0 (passed or warning), 1 (critical), 3 (setup
failed) or 4 (invalid).

To add a task, write a method with @task and @tag that runs a journey or calls
self.client.get("/...").
"""

import journeys
import rate_limit
import write_checks
from locust import between, constant, tag, task
from pool import pool_findings
from straingauge.locust import JourneyUser, synchronized


class TherapyBridgeUser(JourneyUser):
    """A therapist who reads sessions and patients, and sometimes writes notes or uploads audio."""

    wait_time = between(1, 3)
    account = journeys.account
    log_in = journeys.log_in

    @task(5)
    @tag("health")
    def health(self):
        self.run_journey(journeys.health)

    @task(2)
    @tag("health")
    def ready(self):
        self.run_journey(journeys.ready)

    @task(30)
    @tag("read")
    def list_sessions(self):
        self.run_journey(journeys.list_sessions)

    @task(25)
    @tag("read")
    def session_detail(self):
        self.run_journey(journeys.session_detail)

    @task(12)
    @tag("read")
    def list_patients(self):
        self.run_journey(journeys.list_patients)

    @task(12)
    @tag("read")
    def patient_sessions(self):
        self.run_journey(journeys.patient_sessions)

    @task(10)
    @tag("write")
    def update_session(self):
        self.run_journey(journeys.update_session)

    @task(1)
    @tag("upload")
    def upload_session(self):
        self.run_journey(journeys.upload_session)
        self.wait()  # the limit is 30 uploads per minute
        self.run_journey(write_checks.verify, phase="verify")
        self.add_findings(write_checks.findings([self.journey_user]))

    @task(2)
    @tag("extract")
    def extract_notes(self):
        self.run_journey(journeys.extract_notes)


class RateLimitTestUser(JourneyUser):
    """Exhausts its rate limit repeatedly. There is one such user, for any number of users.

    Runs only with --tags rate_limit or if named on the command line.
    """

    opt_in = True
    fixed_count = 1
    wait_time = constant(1)
    account = journeys.unused_account
    log_in = journeys.ensure_logged_in

    @task
    @tag("rate_limit")
    def exhaust_limit(self):
        self.run_journey(rate_limit.exhaust_limit)
        self.run_journey(rate_limit.honor_retry_after, phase="verify")
        self.add_findings(rate_limit.burst_findings(self.journey_user))


class RateLimitBystander(JourneyUser):
    """Stays below its rate limit and must not be affected by a user that exhausts it.

    Runs only with --tags rate_limit or if named on the command line.
    """

    opt_in = True
    wait_time = constant(15)  # below the limit
    account = journeys.unused_account
    log_in = journeys.ensure_logged_in

    @task
    @tag("rate_limit")
    def unaffected_user(self):
        self.run_journey(rate_limit.unaffected_user)
        self.add_findings(rate_limit.unaffected_findings([self.journey_user]))


class DatabaseConnectionPoolUser(JourneyUser):
    """Queries the database at the same moments as all others, as often as its rate limit allows.

    Runs only with --tags db_pool or if named on the command line.
    """

    opt_in = True
    wait_time = synchronized(0.75)
    check_resources = pool_findings
    account = journeys.account
    log_in = journeys.log_in

    @task(2)
    @tag("db_pool")
    def list_many_sessions(self):
        self.run_journey(journeys.list_many_sessions)

    @task(2)
    @tag("db_pool")
    def session_detail(self):
        self.run_journey(journeys.session_detail)

    @task(1)
    @tag("db_pool")
    def patient_sessions(self):
        self.run_journey(journeys.patient_sessions)
