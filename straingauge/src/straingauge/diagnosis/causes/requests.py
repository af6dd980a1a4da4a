"""Requests that do not fit the service, so that the run says nothing about its performance."""

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.result_view import ResultView, number

MIN_SHARE = 0.95  # of all requests; a service with a fault still answers some of them
NOT_THE_CLIENT = {"408", "429"}  # the service was too slow, or limits the rate
DENIED = {"401", "403"}


@cause(
    title="the requests do not fit the service",
    topics=("errors",),
    # The time of an error response says nothing about real ones.
    explains=(
        "endpoint_errors",
        "freeze",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
        "wrong_content",
    ),
    warns_from=0.85,  # no threshold makes such a run a measurement of the service
    charts=("errors", "errors-seen"),
    advice=(
        "check the base URL with its base path (--host), and the paths and methods of the journeys",
        "check the log-in: the account, and how each request is authorized",
    ),
)
def wrong_requests(result: ResultView) -> Evidence | None:
    """Detect a run in which nearly all requests got an unexpected 4xx status.

    A status of 4xx blames the client (RFC 9110, section 15.5). If the service rejects every request
    that way, the load test is wrong, not the service.
    """
    codes = result.table("status_codes")
    rejected = {
        code: count
        for code in codes
        if code.startswith("4") and code not in NOT_THE_CLIENT and (count := number(codes, code))
    }
    least = MIN_SHARE * result.requests
    if not rejected or sum(rejected.values()) < least or result.errors.get("bad_status", 0) < least:
        return None
    most = max(rejected, key=lambda code: rejected[code])
    evidence = (
        f"{sum(rejected.values()):.0f} of {result.requests:.0f} requests were rejected,"
        f" {rejected[most]:.0f} of them with status {most}"
    )
    if most in DENIED:
        return Evidence(0.9, (evidence,), ("log in before the load, or renew expired tokens",))
    return Evidence(0.9, (evidence,))
