"""Truth: what straingauge says of a service, against the service's own log and arithmetic."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from freezing_service import EVERY_S, FREEZE_S
from straingauge.engine import Load, play
from straingauge.journey import User, mix
from straingauge.record import Recorder, Series
from straingauge.schedule import constant

RATE = 200
DURATION_S = 2 * EVERY_S
SERVICE = Path(__file__).with_name("freezing_service.py")


@pytest.fixture(scope="module")
def frozen() -> tuple[Series, dict[int, float]]:
    """200 requests a second over two freezes, and each one's true response time in ms."""
    schedule = constant(rate_per_s=RATE, duration_s=DURATION_S)
    numbers = iter(range(schedule.count))

    def numbered(user: User):
        yield user.get(f"/{next(numbers)}", name="GET /n")

    recorder = Recorder()
    with subprocess.Popen(
        [sys.executable, str(SERVICE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        url = f"http://127.0.0.1:{int(service.stdout.readline())}"
        start_ns = time.monotonic_ns()
        play(
            Load(url, schedule, mix(numbered), [User(n) for n in range(20)]),
            recorder,
            start_ns=start_ns,
        )
        log, _ = service.communicate()
    true_ms = {
        int(target[1:]): (answered_ns - start_ns) / 1e6 - int(target[1:]) * 1000 / RATE
        for target, answered_ns in json.loads(log)
    }
    return recorder.snapshot().total("main"), true_ms


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_response_time_is_what_the_services_log_says(
    frozen: tuple[Series, dict[int, float]], q: float
):
    """Each percentile of the response time is within 5 % (and 5 ms) of the service's own log."""
    series, true_ms = frozen
    measured = series.response.quantile_ns(q)
    truth = np.quantile(list(true_ms.values()), q, method="inverted_cdf")
    assert measured is not None
    assert measured / 1e6 == pytest.approx(truth, rel=0.05, abs=5)


def test_no_freeze_is_overlooked(frozen: tuple[Series, dict[int, float]]):
    """A freeze of 0.4 s every 2 s shows in p95 and p99 as arithmetic has it, at the least.

    A fifth of the arrivals meet a freeze, and wait for what is left of it, so a share p of them
    all waits longer than 0.4 s - 2 s * p.
    """
    series, _ = frozen
    assert series.requests == RATE * DURATION_S
    for q in (0.95, 0.99):
        arithmetic_ms = 1000 * (FREEZE_S - EVERY_S * (1 - q))
        measured = series.response.quantile_ns(q)
        assert measured is not None
        assert measured / 1e6 >= 0.95 * arithmetic_ms


def test_service_time_alone_would_hide_it(frozen: tuple[Series, dict[int, float]]):
    """Counted from sending, as many tools do, most of the waiting is not seen at all."""
    series, _ = frozen
    assert series.service.sum_ns < 0.5 * series.response.sum_ns
