"""Locust users of TherapyBridge, playing the journeys of journeys.py.

locust -f tests/performance/load_test.py --host=http://localhost:8000    (page on port 8089)
    ... --users 50 --spawn-rate 5 --run-time 5m --headless
    ... --tags upload --users 10 --spawn-rate 2 --headless

Tags: read, write, upload, extract, health, rate_limit, db_pool. What is demanded stands in
thresholds.toml. Each run leaves results/metrics_<time>.json, and its verdict is the exit code:
0 fine or warning, 1 critical, 3 setup failed, 4 invalid.

A new scenario is a method with @task and @tag that plays a journey, or simply calls
self.client.get("/...").
"""

import journeys
import ledger
import rate_limit
from locust import between, constant, tag, task
from pool import pool_findings
from straingauge.locust import JourneyUser, synchronized


class TherapyBridgeUser(JourneyUser):
    """A therapist at work: looks things up, jots things down, uploads a recording now and then."""

    wait_time = between(1, 3)
    account = journeys.account
    log_in = journeys.log_in

    @task(5)
    @tag("health")
    def health(self):
        self.play(journeys.health)

    @task(2)
    @tag("health")
    def ready(self):
        self.play(journeys.ready)

    @task(30)
    @tag("read")
    def list_sessions(self):
        self.play(journeys.list_sessions)

    @task(25)
    @tag("read")
    def session_detail(self):
        self.play(journeys.session_detail)

    @task(12)
    @tag("read")
    def list_patients(self):
        self.play(journeys.list_patients)

    @task(12)
    @tag("read")
    def patient_sessions(self):
        self.play(journeys.patient_sessions)

    @task(10)
    @tag("write")
    def update_session(self):
        self.play(journeys.update_session)

    @task(1)
    @tag("upload")
    def upload_session(self):
        self.play(journeys.upload_session)
        self.wait()  # 30 uploads a minute are allowed
        self.play(ledger.look_up, phase="verify")
        self.find(ledger.findings([self.player]))

    @task(2)
    @tag("extract")
    def extract_notes(self):
        self.play(journeys.extract_notes)


class RateLimitTestUser(JourneyUser):
    """Runs into its limit again and again; there is one of it, however many users there are.

    Only with --tags rate_limit, or by name.
    """

    only_when_asked = True
    fixed_count = 1
    wait_time = constant(1)
    account = journeys.unused_account
    log_in = journeys.signed_in

    @task
    @tag("rate_limit")
    def hit_the_limit(self):
        self.play(rate_limit.hurry)
        self.play(rate_limit.wait_it_out, phase="verify")
        self.find(rate_limit.burst_findings(self.player))


class RateLimitBystander(JourneyUser):
    """Must not notice that another user has run into its limit.

    Only with --tags rate_limit, or by name.
    """

    only_when_asked = True
    wait_time = constant(15)  # stays below its own limit
    account = journeys.unused_account
    log_in = journeys.signed_in

    @task
    @tag("rate_limit")
    def look_on(self):
        self.play(rate_limit.look_on)
        self.find(rate_limit.others_findings([self.player]))


class DatabaseConnectionPoolUser(JourneyUser):
    """Wants the database at the same moment as all others, as often as its rate limit allows.

    Only with --tags db_pool, or by name.
    """

    only_when_asked = True
    wait_time = synchronized(0.75)
    judge_service = pool_findings
    account = journeys.account
    log_in = journeys.log_in

    @task(2)
    @tag("db_pool")
    def list_many_sessions(self):
        self.play(journeys.list_many_sessions)

    @task(2)
    @tag("db_pool")
    def session_detail(self):
        self.play(journeys.session_detail)

    @task(1)
    @tag("db_pool")
    def patient_sessions(self):
        self.play(journeys.patient_sessions)
