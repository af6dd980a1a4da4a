"""Requests that do not fit the service, so that the run says nothing about its performance."""

from collections.abc import Iterable, Mapping
from typing import Any

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count, were

MIN_SHARE = 0.95  # of all requests; a service with a fault completes some of them
FEW_SHARE = 0.05  # before credentials expire
ENOUGH = 5  # requests; see `straingauge.verdict.floor.ENOUGH_FAILURES`
NOT_THE_CLIENT = {"408", "429"}  # the service was too slow, or limits the rate
DENIED = ("401", "403")
# The time of an error response says nothing about real ones.
SYMPTOMS = (
    "endpoint_errors",
    "freeze",
    "slow_endpoint",
    "slow_start",
    "slow_tail",
    "slowing_down",
    "wrong_content",
)


@cause(
    title="the requests do not fit the service",
    topics=("errors",),
    explains=SYMPTOMS,
    warns_from=0.85,  # no threshold makes such a run a measurement of the service
    charts=("errors", "errors-seen"),
    advice=(
        "check the base URL with its base path (--host), and the paths and methods of the journeys",
        "send one such request by hand and compare it with the service's documentation",
    ),
)
def wrong_requests(result: ResultView) -> Evidence | None:
    """Detect a run in which nearly all requests got an unexpected 4xx status.

    A status of 4xx blames the client (RFC 9110, section 15.5). If the service rejects every request
    that way, the load test is wrong, not the service.
    """
    codes = result.table("status_codes")
    rejected = {
        code: amount
        for code in codes
        if code.startswith("4") and code not in NOT_THE_CLIENT and (amount := number(codes, code))
    }
    least = MIN_SHARE * result.requests
    if not rejected or sum(rejected.values()) < least or result.errors.get("bad_status", 0) < least:
        return None
    most = max(rejected, key=lambda code: rejected[code])
    if most in DENIED:
        return None
    total = sum(rejected.values())
    evidence = (
        f"{total:,.0f} of {count(result.requests, 'request')} {were(total)} rejected,"
        f" {rejected[most]:,.0f} of them with status {most}"
    )
    return Evidence(0.9, (evidence,))


@cause(
    title="the requests are not authorized",
    topics=("errors", "limits"),
    # A client without credentials is rate-limited by its address.
    explains=(*SYMPTOMS, "rate_limiter_tight"),
    warns_from=0.85,
    charts=("errors", "errors-seen"),
    advice=(
        "log in before the load, and send the credentials with each request: 401 means that they"
        " are missing or expired, 403 that the account lacks a permission (RFC 9110, sections"
        " 15.5.2 and 15.5.4)",
    ),
)
def unauthorized(result: ResultView) -> Evidence | None:
    """Detect endpoints that reject all requests with 401 or 403, throughout or from an instant on.

    A service that rejects only some of the requests of an endpoint, again and again, knows the
    credentials: that is a fault of the service. Other requests may need no credentials.
    """
    denied, advice = [], []
    for name in result.endpoints:
        codes = result.table("endpoints", name, "status_codes")
        counts = {code: number(codes, code) or 0.0 for code in DENIED}
        most = max(counts, key=lambda code: counts[code])
        rejected, failed = sum(counts.values()), result.figure(*_errors_of(name), "bad_status")
        if rejected < ENOUGH or failed < MIN_SHARE * rejected:
            continue  # too few, or expected
        total, limited = result.figure("endpoints", name, "total_requests"), number(codes, "429")
        if rejected + (limited or 0) >= MIN_SHARE * total:
            denied.append(f"{name}: {rejected:,.0f} of {count(total, 'request')} got status {most}")
        elif failed <= rejected / MIN_SHARE and (since_s := _expired(result, name)) is not None:
            denied.append(f"{name}: all requests from {since_s:,.0f} s on got status {most}")
            advice.append("tokens expired during the load: renew them in the journey")
    if not denied:
        return None
    return Evidence(0.9, tuple(denied[:3]), tuple(dict.fromkeys(advice)))


def _errors_of(endpoint: str) -> tuple[str, ...]:
    return ("endpoints", endpoint, "errors", "kinds")


def _expired(result: ResultView, endpoint: str) -> float | None:
    """Return the start of the interval from which all requests fail; None if there is none."""
    rows = result.rows("endpoints", endpoint, "intervals")
    shares = [(number(row, "start_s") or 0.0, _failed_share(row)) for row in rows]
    failing = 0
    while failing < len(shares) and shares[-1 - failing][1] >= MIN_SHARE:
        failing += 1
    before = rows[: len(rows) - failing - 1]  # some requests of the interval between may succeed
    after = rows[len(rows) - failing :]
    if min(_count(before, "requests"), _count(after, "requests")) < ENOUGH:
        return None
    if _count(before, "errors") > FEW_SHARE * _count(before, "requests"):
        return None
    return shares[len(rows) - failing][0]


def _failed_share(row: Mapping[str, Any]) -> float:
    return (number(row, "errors") or 0.0) / (number(row, "requests") or 1.0)


def _count(rows: Iterable[Mapping[str, Any]], key: str) -> float:
    return sum(number(row, key) or 0.0 for row in rows)
