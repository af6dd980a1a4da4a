"""Each test gives a result that shows one fault; the first cause must be that fault."""

from collections.abc import Mapping
from typing import Any

import pytest
from diagnosis_results import (
    ENDPOINTS,
    causes,
    complaint,
    errors_of,
    failed_run,
    first,
    healthy,
    latency,
    noted,
    put,
    slow,
    slowed,
    timing,
)
from straingauge.diagnosis import cause_of_failed_check, warnings


def test_some_endpoints_are_slow():
    """Endpoints with a slow median are named, and where their time goes."""
    result = failed_run(complaint(where=ENDPOINTS[0]))
    result["endpoints"][ENDPOINTS[0]]["latency_ms"] = latency(650, 700, 750)
    result["endpoints"][ENDPOINTS[0]]["server_timing"] = timing(
        db=0.02, app=0.03, unattributed=0.95
    )
    result["metrics"]["slowest"] = [slow(ENDPOINTS[0], 750, at_s=i) for i in range(20)]
    found = first(result)
    assert found["cause"] == "slow_endpoint"
    assert ENDPOINTS[0] in found["evidence"][0]
    assert "95% of the time" in found["evidence"][1]
    assert found["advice"][0] == "search the service's log for X-Request-ID id-0, id-1, id-2"


def test_a_few_of_all_requests_are_slow():
    """A constant delay of a few requests at all endpoints is a slow tail."""
    result = slowed(failed_run(), 10, 30, 820)
    result["metrics"]["slowest"] = [
        slow(ENDPOINTS[i % 3], 810 + i, at_s=1.3 * i) for i in range(20)
    ]
    found = first(result)
    assert found["cause"] == "slow_tail"
    assert found["confidence"] >= 0.8
    assert "at 3 of 3 endpoints" in found["evidence"][0]
    assert "slow by about one amount: 810 to 829 ms" in found["evidence"]


def test_only_the_start_is_slow():
    """Slow requests that all come at the beginning are a slow start."""
    result = slowed(failed_run(), 10, 30, 820)
    result["metrics"]["slowest"] = [slow(ENDPOINTS[i % 3], 800, at_s=i / 10) for i in range(20)]
    assert causes(result)[:2] == ["slow_start", "slow_tail"]
    assert "slow_start" not in causes(slowed(result, 500, 700, 820))
    result["endpoints"][ENDPOINTS[0]]["latency_ms"]["p50"] = 500.0
    assert "slow_start" not in causes(result)


def test_slowing_down():
    """Response times that rise over a steady load are named as slowing down."""
    trend = {"percent_per_minute": 90.0, "low_percent_per_minute": 70.0}
    result = failed_run(complaint("degradation_percent_per_minute"), metrics__degradation=trend)
    assert causes(slowed(result, 150, 300, 350))[0] == "slowing_down"
    slow_by_now = failed_run(complaint("p50_ms"), metrics__degradation=trend)
    assert causes(slowed(slow_by_now, 300, 350, 400))[0] == "slowing_down"


def test_errors_of_one_endpoint():
    """Error statuses are named with endpoint, rate, and the request ids to search for."""
    failing = errors_of("bad_status", 9, "status 500, expected 200", at=ENDPOINTS[:1], status=500)
    found = first(failed_run(complaint("error_rate_percent"), **failing))
    assert found["cause"] == "endpoint_errors"
    assert f"most often {ENDPOINTS[0]} (3.0%)" in found["evidence"]
    assert found["advice"][0] == "search the service's log for X-Request-ID bad-1"


@pytest.mark.parametrize(
    ("kind", "status", "detail", "cause"),
    [
        ("reset", None, "the connection was closed without a response", "connection_resets"),
        ("failed_check", 200, "not JSON: Unterminated string", "wrong_content"),
        ("short_body", 200, "80 of 200 bytes", "wrong_content"),
        ("tls", None, "[SSL: WRONG_VERSION_NUMBER]", "tls_failure"),
        ("journey_error", None, "journey look: NameError", "journey_bug"),
        ("bad_status", 500, "status 500: could not connect to server", "database_away"),
    ],
)
def test_other_errors(kind: str, status: int | None, detail: str, cause: str):
    """Broken connections, wrong bodies and an unreachable database differ from plain errors."""
    errors = errors_of(kind, 27, detail, status=status)
    assert first(failed_run(complaint("error_rate_percent"), **errors))["cause"] == cause


@pytest.mark.parametrize(
    ("closed_idle", "expected"),
    [(40, ["idle_connections_closed"]), (0, ["connection_resets", "idle_connections_closed"])],
)
def test_requests_that_cross_the_end_of_idle_connections(closed_idle: int, expected: list[str]):
    """They are no resets if the service closes idle connections; otherwise both are possible."""
    detail = "the server closed the connection, idle for 2.00 s, as the request was sent"
    result = failed_run(complaint("error_rate_percent"), **errors_of("idle_closed", 27, detail))
    put(result, closed_idle, "resources", "generator", "processes", "a", "closed_idle")
    assert causes(result) == expected


@pytest.mark.parametrize(
    ("status", "advice"), [(422, "what the journey sends"), (504, "timeouts in between"), (500, "")]
)
def test_the_status_says_where_to_look(status: int, advice: str):
    """A rejected request and a server behind the service have advice of their status."""
    failing = errors_of("bad_status", 9, f"status {status}", at=ENDPOINTS[:1], status=status)
    found = first(failed_run(complaint("error_rate_percent"), **failing))
    assert found["cause"] == "endpoint_errors"
    assert any(advice in each for each in found["advice"])
    assert any("status 4xx" in each or "status 504" in each for each in found["advice"]) is bool(
        advice
    )


def test_journey_that_sends_no_request():
    """A journey that raises before its first request is named, without blame for the service."""
    result = healthy(**errors_of("journey_error", 5, "journey look: NameError: name 'x'"))
    result["metrics"]["total_requests"] = 0
    (finding,) = warnings(result)
    assert finding.cause == "journey_bug"
    assert finding.message == "5 exceptions in journeys; no request was sent"


def test_journey_that_trips_over_failed_requests():
    """Exceptions that follow more failed requests do not hide the failure behind them."""
    errors = errors_of("bad_status", 90, "status 500", status=500)
    errors["errors"]["kinds"]["journey_error"] = 20
    assert causes(failed_run(complaint("error_rate_percent"), **errors)) == [
        "endpoint_errors",
        "journey_bug",
    ]


def test_503_from_several_endpoints():
    """Status 503 from several endpoints at once points to the database."""
    gone = errors_of("bad_status", 90, "status 503, expected 200: database", status=503)
    assert causes(failed_run(complaint("error_rate_percent"), **gone)) == [
        "database_away",
        "endpoint_errors",
        "load_shed",
    ]


def test_a_database_that_does_not_answer():
    """Errors while the observer cannot reach the database either name it."""
    result = failed_run(
        complaint("error_rate_percent"), **errors_of("bad_status", 90, "status 500")
    )
    result["resources"]["database"] |= {"samples": 60, "failed_samples": 20}
    found = first(result)
    assert found["cause"] == "database_away"
    assert found["evidence"] == ["20 of 60 samples of the database failed"]


def test_a_crash_breaks_connections():
    """Connections that break while processes end are explained by the restart."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("reset", 20, "the connection was closed without a response"),
        resources__service__restarts={"started": 1, "exited": 1},
    )
    assert causes(result) == ["service_restarted", "connection_resets"]


def test_requests_that_do_not_fit_the_service():
    """A run whose requests are nearly all rejected blames the requests, not the service."""
    errors = errors_of("bad_status", 880, "status 404, expected 200", status=404)
    result = slowed(failed_run(complaint("error_rate_percent"), **errors), 650, 1500, 2000)
    result["status_codes"] = {"200": 20, "404": 880}
    found = first(result)
    assert found["cause"] == "wrong_requests"
    assert found["evidence"] == ["880 of 900 requests were rejected, 880 of them with status 404"]
    assert "base URL" in found["advice"][0]


@pytest.mark.parametrize("status", [401, 403])
def test_requests_without_credentials(status: int):
    """Endpoints that reject all requests with 401 or 403 name the credentials, not the limiter."""
    errors = errors_of("bad_status", 297, "rejected", status=status, at=ENDPOINTS[:1])
    endpoint = errors["endpoints"][ENDPOINTS[0]]
    result = failed_run(
        complaint("error_rate_percent"), validity=noted("rate_limited", "invalid"), **errors
    )
    result["metrics"]["rate_limited"] = 20
    found = first(result)
    assert found["cause"] == "unauthorized"
    assert found["evidence"] == [f"{ENDPOINTS[0]}: 297 of 300 requests got status {status}"]
    endpoint["status_codes"] = {str(status): 20, "429": 280}  # clients without a user share a limit
    endpoint["errors"]["kinds"] = {"bad_status": 20}
    assert causes(result)[0] == "unauthorized"
    endpoint["status_codes"] = {str(status): 20, "200": 280}
    assert causes(result)[0] != "unauthorized"


def test_credentials_that_expire():
    """An endpoint that rejects all requests from an instant on names the tokens' lifetime."""
    errors = errors_of("bad_status", 120, "rejected", status=401, at=ENDPOINTS[:1])
    endpoint = errors["endpoints"][ENDPOINTS[0]]
    endpoint["status_codes"] = {"200": 180, "401": 120}
    failed = [0] * 17 + [4] + [10] * 12
    endpoint["intervals"] = [
        {"start_s": n, "duration_s": 1, "requests": 10, "errors": count}
        for n, count in enumerate(failed)
    ]
    result = failed_run(complaint("error_rate_percent"), **errors)
    found = first(result)
    assert found["cause"] == "unauthorized"
    assert found["evidence"] == [f"{ENDPOINTS[0]}: all requests from 18 s on got status 401"]
    assert "expired" in found["advice"][0]
    for row in endpoint["intervals"]:
        row["errors"] = 4  # at random
    assert causes(result) == ["endpoint_errors"]


def rejecting(share_at: Mapping[int, float]) -> dict[str, Any]:
    """Return a run in which a share of the requests got 503, by requests per second."""
    errors = errors_of("bad_status", 300, "status 503, expected 200: busy", status=503)
    result = failed_run(complaint("error_rate_percent"), **errors)
    result["intervals"] = [
        {"start_s": n, "duration_s": 1, "requests": rps, "errors": round(share * rps)}
        for n, (rps, share) in enumerate(share_at.items())
    ]
    result["resources"]["database"] |= {"samples": 60, "failed_samples": 0}
    return result


def test_a_service_that_sheds_load():
    """Status 503 that follows the load while the database answers does not blame the database."""
    found = first(rejecting({20: 0.0, 21: 0.0, 39: 0.45, 40: 0.5}))
    assert found["cause"] == "load_shed"
    assert "0% failed at 20/s, 48% at 40/s" in found["evidence"][1]
    assert found["evidence"][2] == "the database answered all the time"
    steady = rejecting({40: 0.3, 41: 0.3, 42: 0.3, 43: 0.3})
    assert "database_away" not in causes(steady)
    assert causes(steady)[0] == "load_shed"  # all endpoints alike
    for name in ENDPOINTS[1:]:
        steady["endpoints"][name]["status_codes"] = {"200": 300}
        steady["endpoints"][name]["errors"] = {"kinds": {}, "examples": []}
    assert causes(steady) == ["endpoint_errors", "load_shed"]  # one endpoint: more likely a defect


def test_503_without_a_look_at_the_database():
    """If the database was not observed, both causes of 503 are shown."""
    result = rejecting({20: 0.0, 21: 0.0, 39: 0.45, 40: 0.5})
    result["resources"]["database"] = None
    assert set(causes(result)[:2]) == {"load_shed", "database_away"}
    assert first(result)["confidence"] < 0.7


def test_responses_without_the_expected_content():
    """A run whose responses nearly all fail a check blames their content, not the slow start."""
    result = slowed(
        failed_run(
            complaint(),
            complaint("error_rate_percent"),
            **errors_of("failed_check", 896, "no field id", status=200),
        ),
        10,
        30,
        820,
    )
    result["metrics"]["slowest"] = [slow(ENDPOINTS[i % 3], 800, at_s=i / 10) for i in range(20)]
    assert causes(result) == ["wrong_content"]


def test_requests_that_do_not_fit_the_service_are_a_warning():
    """A run without thresholds whose requests are all rejected is a warning, with its cause."""
    result = healthy(**errors_of("bad_status", 900, "status 404, expected 200", status=404))
    result["status_codes"] = {"404": 900}
    (finding,) = warnings(result)
    assert (finding.grade, finding.cause) == ("warning", "wrong_requests")


@pytest.mark.parametrize(
    "codes",
    [{"200": 450, "404": 450}, {"429": 900}, {"408": 900}, {"500": 900}, {}],
    ids=["half", "rate limit", "timeout", "service", "unknown"],
)
def test_a_service_that_fails_is_to_blame(codes: dict[str, int]):
    """Only 4xx for nearly all requests blame the requests: not half of them, 429, 408 or 500."""
    result = failed_run(complaint("error_rate_percent"), **errors_of("bad_status", 900, "rejected"))
    result["status_codes"] = codes
    assert "wrong_requests" not in causes(result)


def test_expected_rejections_are_no_errors():
    """A load test that expects 404 of all its requests is not blamed for them."""
    result = slowed(failed_run(), 650, 1500, 2000)
    result["status_codes"] = {"404": 900}
    assert "wrong_requests" not in causes(result)


def test_a_tight_rate_limiter():
    """Unexpected 429 responses name the rate limiter."""
    refused = failed_run(metrics__rate_limited=200, validity=noted("rate_limited", "invalid"))
    assert causes(refused)[0] == "rate_limiter_tight"


@pytest.mark.parametrize(
    ("kind", "status", "detail", "cause"),
    [
        ("bad_status", 404, "status 404, expected 200: gone", "lost_writes"),
        ("bad_status", 200, "status 200, expected 403 or 404: {}", "foreign_data"),
        ("failed_check", 200, "its sum differs", "altered_writes"),
        ("bad_status", 200, "status 200, expected 429: {}", "rate_limiter_untrue"),
        ("rate_limited", 429, "status 429, expected 200: {}", "rate_limiter_untrue"),
        ("bad_status", 500, "status 500, expected 200: oops", "endpoint_errors"),
        ("reset", None, "reset", "connection_resets"),
        ("bad_status", 503, "status 503, expected 200 or 404 or 429: ...", "endpoint_errors"),
    ],
)
def test_the_cause_of_a_failed_verification(kind: str, status: int | None, detail: str, cause: str):
    """Verification after the load distinguishes lost, altered and foreign data."""
    assert cause_of_failed_check({"kind": kind, "status": status, "detail": detail}) == cause
