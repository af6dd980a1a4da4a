"""A service that stops answering and does not recover is said to hang."""

from collections.abc import Sequence
from typing import Any

import pytest
from diagnosis_results import (
    ENDPOINTS,
    causes,
    complaint,
    errors_of,
    failed_run,
    first,
    pool,
    samples,
    slowed,
)
from straingauge.diagnosis import CAUSES


def stuck(errors: Sequence[int], kind: str = "timeout", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a run of 30 s with these errors in each of its seconds, of 30 requests."""
    count = sum(errors)
    broken = errors_of(kind, count, "no response within 5 s", at=ENDPOINTS[:1])
    result = failed_run(complaint("error_rate_percent"), **broken, **changes)
    result["intervals"] = [
        {"start_s": float(n), "duration_s": 1, "requests": 30, "errors": failed, "rate_limited": 0}
        for n, failed in enumerate(errors)
    ]
    return slowed(result, 10, 5_000, 5_000)


def test_a_service_that_never_answers_again():
    """From a moment on each request runs into its time limit: the service hangs, and since when."""
    result = stuck([0] * 14 + [12] + [30] * 15)
    found = first(result)
    assert found["cause"] == "service_hung"
    assert "no request that started after 15 s was answered" in found["evidence"][0]
    assert len(found["evidence"]) == 1
    assert "limited_concurrency" in CAUSES["service_hung"].explains  # all are in flight


@pytest.mark.parametrize(("slope", "words"), [(0.5, "it computes"), (0.001, "it waits")])
def test_what_a_hanging_service_does(slope: float, words: str):
    """An endless loop uses a core, a deadlock none."""
    used = samples(cpu_s=[slope * n for n in range(60)])
    result = stuck([0] * 14 + [12] + [30] * 15, resources__samples=used)
    assert words in first(result)["evidence"][1]


def test_users_who_all_wait_for_the_same_hanging_service():
    """If all users wait, no request starts any more, which is no silence of the load test."""
    assert causes(stuck([0] * 14 + [20]))[0] == "service_hung"
    assert "service_hung" not in causes(stuck([0] * 14 + [6]))  # others would send requests


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([0] * 5 + [30] * 10 + [0] * 15, "timeout"),  # it recovered
        ([0] * 14 + [30] * 16, "refused"),  # it ended
        ([0] * 10 + [10] * 20, "timeout"),  # one endpoint
        ([30] * 30, "timeout"),  # it never answered: the run says nothing of a moment
        ([0] * 29 + [30], "timeout"),  # at the very end
    ],
)
def test_services_that_do_not_hang(errors: Sequence[int], kind: str):
    """A pause, an exit, a slow endpoint and a wrong address are other matters."""
    assert "service_hung" not in causes(stuck(errors, kind))


def test_a_service_that_ended_does_not_hang():
    """A few requests that time out before connections are refused are of a service that ended."""
    result = stuck([0] * 14 + [12] + [30] * 15)
    result["errors"]["kinds"] = {"refused": 400, "timeout": 62}
    assert "service_hung" not in causes(result)


def test_a_reason_to_hang_comes_first():
    """A pool without free connections explains why the service does not answer any more."""
    result = stuck(
        [0] * 14 + [12] + [30] * 15,
        resources__pool=pool(timeouts=40, peak_in_use=10, peak_waiters=30, avg_wait_ms=900.0),
    )
    assert causes(result)[:2] == ["pool_exhausted", "service_hung"]
