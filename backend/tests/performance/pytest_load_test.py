"""Seven load tests of a running service.

pytest tests/performance/pytest_load_test.py -n 10 -v      (ten processes share each load)
pytest tests/performance/pytest_load_test.py -k concurrent

The target is --load-host, API_BASE_URL or http://localhost:8000, in this order. If no service
responds there, one is started. Thresholds: thresholds.toml. Journeys: journeys.py.
"""

import os

import journeys
import pytest
import rate_limit
import speech
import write_checks
from pool import pool_findings

from straingauge import LoadTest, constant_users, mix, spread, waves

SUSTAINED_S = float(os.environ.get("SUSTAINED_LOAD_S", "60"))
SUSTAINED_RPS = float(os.environ.get("SUSTAINED_LOAD_RPS", f"{500 / 60}"))
LEAK_S = float(os.environ.get("LEAK_LOAD_S", "15"))
WAVES = int(os.environ.get("LOAD_WAVES", "20"))
WAVE_S = float(os.environ.get("LOAD_WAVE_S", "0.5"))
POOL_ROUNDS = int(os.environ.get("POOL_ROUNDS", "15"))
COOLDOWN_S = float(os.environ.get("LOAD_COOLDOWN_S", "1"))
"""Lengths of the loads. SUSTAINED_LOAD_S=3600 makes a soak test; the rate is bounded by the rate
limit of the users. `make faults` uses shorter lengths."""

READS = mix(
    (journeys.list_sessions, 4),
    (journeys.session_detail, 3),
    (journeys.list_patients, 2),
    (journeys.patient_sessions, 2),
)


@pytest.mark.load(endpoints=["GET /health"])
def test_concurrent_health_checks(load: LoadTest):
    """/health responds to waves of 100 concurrent requests."""
    run = load.run(
        "concurrent_health_checks",
        journeys.health,
        waves(concurrent=100, every_s=WAVE_S, at_least=1, at_most=WAVES),
        users=load.accounts(None, 100),
        cooldown_s=COOLDOWN_S,
    )
    load.judge(run)


@pytest.mark.load(endpoints=["GET /api/sessions/"])
def test_concurrent_sessions(load: LoadTest):
    """Waves of 50 therapists list their sessions concurrently."""
    run = load.run(
        "concurrent_sessions",
        journeys.list_sessions,
        waves(concurrent=50, every_s=WAVE_S, at_least=4, at_most=WAVES),
        users=load.accounts(journeys.account, 50, log_in=journeys.log_in),
        cooldown_s=COOLDOWN_S,
    )
    load.judge(run)


@pytest.mark.load(endpoints=["POST /api/sessions/upload"])
def test_concurrent_uploads(load: LoadTest):
    """Waves of 10 concurrent uploads are stored: each acknowledged recording can be read back."""
    speech.require()
    run = load.run(
        "concurrent_uploads",
        journeys.upload_session,
        waves(concurrent=10, every_s=2 * WAVE_S, at_least=3, at_most=3),
        users=load.accounts(journeys.account, 10, log_in=journeys.log_in),
        cooldown_s=COOLDOWN_S,
        verify=write_checks.verify,
    )
    load.judge(run, write_checks.findings(run.users))


@pytest.mark.load(endpoints=[rate_limit.ENDPOINT, rate_limit.OTHER_USERS_ENDPOINT])
def test_rate_limit_enforcement(load: LoadTest):
    """The 101st request in a minute is refused until Retry-After; other users are unaffected."""
    run = load.run(
        "rate_limit_enforcement",
        rate_limit.run,
        constant_users(count=rate_limit.USERS, iterations=1),
        users=load.accounts(rate_limit.account, rate_limit.USERS, log_in=journeys.ensure_logged_in),
        cooldown_s=COOLDOWN_S,
        verify=rate_limit.honor_retry_after,
        processes=1,
    )
    load.judge(run, rate_limit.findings(run.users))


@pytest.mark.load
def test_database_pool_stress(load: LoadTest):
    """100 concurrent requests use the database, and none times out waiting for a connection."""
    run = load.run(
        "database_pool_stress",
        mix(journeys.list_many_sessions, (journeys.session_detail, 2), journeys.patient_sessions),
        constant_users(count=100, iterations=POOL_ROUNDS),
        users=load.accounts(journeys.account, 100, log_in=journeys.log_in),
        cooldown_s=COOLDOWN_S,
    )
    load.judge(run, pool_findings(run.resources))


@pytest.mark.load(endpoints=["GET /api/sessions/"])
def test_sustained_load(load: LoadTest):
    """500 requests at a constant rate in one minute: no errors, and no degradation over time."""
    run = load.run(
        "sustained_load",
        mix(
            (journeys.list_sessions, 8),
            (journeys.session_detail, 5),
            (journeys.list_patients, 3),
            (journeys.patient_sessions, 3),
            (journeys.health, 2),
            (journeys.update_session, 3),
            (journeys.upload_session, 1),
        ),
        spread(count=round(SUSTAINED_RPS * SUSTAINED_S), duration_s=SUSTAINED_S),
        users=load.accounts(journeys.account, 50, log_in=journeys.log_in),
        cooldown_s=COOLDOWN_S,
        verify=write_checks.verify,
    )
    load.judge(run, write_checks.findings(run.users))


@pytest.mark.load
def test_memory_leak_detection(load: LoadTest):
    """Memory of the service does not grow under a constant load of 80 requests/s."""
    run = load.run(
        "memory_leak_detection",
        mix(*READS.weights, (journeys.update_session, 2)),
        spread(count=round(80 * LEAK_S), duration_s=LEAK_S),
        warm_up=spread(count=100, duration_s=1),
        users=load.accounts(journeys.account, 100, log_in=journeys.log_in),
        cooldown_s=COOLDOWN_S,
        verify=write_checks.verify,
    )
    load.judge(run, write_checks.findings(run.users))
