"""The wait between levels of `straingauge capacity`."""

from collections.abc import Mapping
from typing import Any

import pytest
from straingauge.capacity.recovery import MAX_WAIT_S, Recovery

from straingauge import TargetError


def probed(p50_ms: float | None, errors: float = 0.0) -> Mapping[str, Any]:
    """The result of a probe."""
    return {
        "metrics": {"error_rate_percent": errors},
        "status_codes": {} if p50_ms is None else {"200": 5},
        "endpoints": {"GET /": {"latency_ms": {"p50": p50_ms}}},
    }


def test_the_next_level_waits_until_the_service_answers_as_before():
    """After a level that overloaded the service, slow and failing probes are repeated."""
    probes = iter([probed(12), probed(900), probed(None, 100), probed(14, 20), probed(14)])
    recovery = Recovery(lambda: next(probes))
    recovery.measure()
    recovery.measure()
    recovery.wait(200)
    assert list(probes) == []


def test_a_service_that_does_not_recover_ends_the_search():
    """A service that stays slow for a minute is an error with the times before and now."""
    now_s = 0.0

    def probe() -> Mapping[str, Any]:
        nonlocal now_s
        now_s += 1.0
        return probed(12 if now_s == 1 else 900)

    recovery = Recovery(probe, clock=lambda: now_s)
    recovery.measure()
    with pytest.raises(TargetError, match="from 200 within 60 s: GET / takes 900 ms, and took 12"):
        recovery.wait(200)
    assert now_s <= MAX_WAIT_S + 3


def test_a_service_that_always_fails_a_little_is_as_before():
    """Errors of the service without load are no reason to wait."""
    recovery = Recovery(lambda: probed(12, 20))
    recovery.measure()
    recovery.wait(200)


def test_a_service_that_is_silent_has_died():
    """A service that answers no request for some seconds has died at the level before."""
    now_s = 0.0

    def probe() -> Mapping[str, Any]:
        nonlocal now_s
        now_s += 1.0
        return probed(12) if now_s == 1 else probed(None, 100)

    recovery = Recovery(probe, clock=lambda: now_s)
    recovery.measure()
    with pytest.raises(TargetError, match="the service died at 200"):
        recovery.wait(200)
    assert now_s < 10
