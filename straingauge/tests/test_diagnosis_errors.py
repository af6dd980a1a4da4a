"""Each kind of error has a cause that is found first."""

import pytest
from diagnosis_results import (
    ENDPOINTS,
    causes,
    complaint,
    errors_of,
    failed_run,
    first,
    noted,
    slow,
)
from straingauge.diagnosis.causes.errors import BROKEN
from straingauge.http import ErrorKind

CAUSE_OF = {
    "refused": "unreachable",
    "connect_timeout": "unreachable",
    "no_socket": "unreachable",
    "unreachable": "unreachable",
    "reset": "connection_resets",
    "idle_closed": "connection_resets",
    "early_close": "connection_resets",
    "closed": "connection_resets",
    "goaway": "connection_resets",
    "stream_reset": "connection_resets",
    "stream_refused": "connection_resets",
    "short_body": "wrong_content",
    "failed_check": "wrong_content",
    "protocol": "wrong_content",
    "too_large": "wrong_content",
    "tls": "tls_failure",
    "no_http2": "http2_not_spoken",
    "certificate_expired": "tls_failure",
    "certificate_untrusted": "tls_failure",
    "certificate_name": "tls_failure",
    "client_certificate": "tls_failure",
    "proxy": "proxy_failure",
    "out_of_sockets": "out_of_sockets",
    "journey_error": "journey_bug",
}


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind != "rate_limited"])
def test_each_kind_of_error_has_a_cause(kind: ErrorKind):
    """A run in which all requests fail names a cause, whatever the kind of the error is."""
    errors = errors_of(kind, 900, "so it is", status=500 if kind == "bad_status" else None)
    result = failed_run(complaint("error_rate_percent"), **errors)
    assert causes(result)[0] == CAUSE_OF.get(kind, "endpoint_errors")


def test_a_proxy_that_reports_a_restart():
    """Behind a proxy, requests that met a process as it ended have status 502."""
    errors = errors_of("bad_status", 60, "status 502, expected 200", status=502)
    result = failed_run(
        complaint("error_rate_percent"),
        **errors,
        resources__service__restarts={"started": 2, "exited": 2},
    )
    result["status_codes"] = {"200": 840, "502": 60}
    assert causes(result)[0] == "service_restarted"
    result["status_codes"] = {"200": 840, "500": 60}
    assert causes(result)[0] == "endpoint_errors"


@pytest.mark.parametrize("kind", [*BROKEN, "refused", "no_socket"])
def test_a_restart_explains_connections_that_break(kind: str):
    """Over a socket file and HTTP/2, too: a process that ended is the first cause."""
    errors = errors_of(kind, 60, "so it is")
    restarts = {"started": 2, "exited": 2}
    result = failed_run(
        complaint("error_rate_percent"), **errors, resources__service__restarts=restarts
    )
    assert causes(result)[0] == "service_restarted"


def test_redirects_say_where_they_may_lead():
    """Status 302 throughout is explained by a log-in or another address, not by the service."""
    errors = errors_of("bad_status", 900, "status 302, expected 200", status=302)
    found = first(failed_run(complaint("error_rate_percent"), **errors))
    assert any("log-in" in each for each in found["advice"])


def test_deadlocks_without_a_long_wait():
    """Deadlocks between two samples are the first evidence, without a sentence on no waits."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("bad_status", 12, "status 500: deadlock detected", status=500),
        resources__database__deadlocks=12,
    )
    found = first(result)
    assert found["cause"] == "lock_contention"
    assert found["evidence"] == ["12 deadlocks, each ended by an error"]


@pytest.mark.parametrize(("avg_ms", "cause"), [(325.0, "slow_endpoint"), (50.0, "slow_tail")])
def test_a_large_share_of_slow_requests_is_no_tail(avg_ms: float, cause: str):
    """If 40 % of an endpoint's requests are slow, as without a cache, it is no small share."""
    result = failed_run(complaint(where=ENDPOINTS[0]))
    result["endpoints"][ENDPOINTS[0]]["latency_ms"] = {
        "avg": avg_ms,
        "p50": 10.0,
        "p95": 800.0,
        "p99": 810.0,
        "max": 830.0,
    }
    result["metrics"]["slowest"] = [
        slow(ENDPOINTS[0], 830.0 - n, at_s=1.4 * n, pool=0.2, db=5.0, app=800.0) for n in range(20)
    ]
    found = first(result)
    assert found["cause"] == cause
    if cause == "slow_endpoint":
        assert "about 39% of all requests take 810 ms" in found["evidence"][0]


@pytest.mark.parametrize("kind", ["bad_status", "refused", "failed_check"])
def test_a_busy_machine_is_no_cause_of_errors(kind: str):
    """Neither other programs nor a late generator are causes of a run whose requests fail fast."""
    errors = errors_of(kind, 900, "so it is", status=302 if kind == "bad_status" else None)
    machine = {"cores": 2, "cpu_percent": {"avg": 193}, "others_cpu_percent": {"avg": 168}}
    result = failed_run(
        complaint("error_rate_percent"),
        **errors,
        validity=noted("generator_late"),
        resources__machine=machine,
    )
    found = causes(result)
    assert found
    assert not {"noisy_neighbour", "generator_saturated"}.intersection(found)


@pytest.mark.parametrize(
    ("answered", "end"),
    [
        ([30, 30, 0, 0], "the service answered at first, and no request from 2 s on"),
        ([30, 0, 0, 30], None),
    ],
)
def test_a_service_that_ended_is_not_blamed_on_the_address(answered: list[int], end: str | None):
    """A service that refuses connections after it answered requests ended or restarted."""
    errors = errors_of("refused", 60, "127.0.0.1 port 8000 refused")
    result = failed_run(complaint("error_rate_percent"), **errors)
    assert not any("ended or restarted" in each for each in first(result)["advice"])
    result["intervals"] = [
        {"start_s": float(at_s), "end_s": at_s + 1.0, "requests": 30, "errors": 30 - count}
        for at_s, count in enumerate(answered)
    ]
    found = first(result)
    assert found["cause"] == "unreachable"
    assert "ended or restarted" in found["advice"][0]
    said = [each for each in found["evidence"] if each.startswith("the service answered")]
    assert said == ([end] if end else [])


def test_an_address_where_nothing_ever_answers_is_to_be_checked():
    """A service that refuses each connection may never have run, or run elsewhere."""
    errors = errors_of("refused", 60, "127.0.0.1 port 8000 refused")
    result = failed_run(complaint("error_rate_percent"), **errors)
    result["intervals"] = [{"start_s": 0.0, "end_s": 1.0, "requests": 60, "errors": 60}]
    advice = first(result)["advice"]
    assert any("check host and port" in each for each in advice)
    assert not any("the address is right" in each for each in advice)
