"""A service that rejects requests because it has too many of them."""

import statistics

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.causes.database import AWAY, database_answered
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count

MIN_REJECTED = 5
MIN_SHARE = 0.05  # of an endpoint's requests
MIN_INTERVALS = 4
MORE_LOAD = 1.2  # times the requests: a smaller difference is chance
MORE_REJECTED = 2.0  # times the share of rejected requests


@cause(
    title="the service sheds load: it rejects requests that it has no room for",
    topics=("errors",),
    explains=("endpoint_errors", "slow_tail"),
    charts=("rate", "errors"),
    advice=(
        "find the limit that rejects them: a proxy's or server's limit of connections, a queue's"
        " length, a semaphore; raise it, or add capacity behind it",
        "repeat with half the load: if the 503 disappear, the service sheds load; if the same share"
        " remains, read its log",
    ),
)
def load_shed(result: ResultView) -> Evidence | None:
    """Detect status 503 that follows the load, or meets all endpoints, while the database answers.

    503 means "temporarily overloaded, or under maintenance" (RFC 9110, section 15.6.4). A full pool
    and an unreachable database are other reasons. A defect hits the endpoint that has it; a
    limit at the door hits all of them.
    """
    rejecting = [name for name in result.endpoints if _rejected_share(result, name) >= MIN_SHARE]
    shed = sum(result.figure("endpoints", name, "status_codes", "503") for name in rejecting)
    if shed < MIN_REJECTED or result.figure("resources", "pool", "timeouts"):
        return None
    if result.error_matching(AWAY) is not None:
        return None
    evidence = [f"{shed:,.0f} of {count(result.requests, 'request')} got status 503"]
    answered, follows = database_answered(result), _follows_load(result)
    if follows is not None:
        evidence.append(follows)
    elif len(rejecting) == len(result.endpoints) > 1:
        evidence.append(f"all of {count(len(rejecting), 'endpoint')} return it")
    if answered:
        evidence.append("the database answered all the time")
    if follows is not None:
        return Evidence(0.85 if answered else 0.65, tuple(evidence))
    everywhere = len(rejecting) == len(result.endpoints) > 1
    return Evidence(0.65 if answered and everywhere else 0.45, tuple(evidence))


def _rejected_share(result: ResultView, endpoint: str) -> float:
    """Return the share of an endpoint's requests that got an unexpected 503."""
    each = ("endpoints", endpoint)
    rejected = result.figure(*each, "status_codes", "503")
    expected = rejected > result.figure(*each, "errors", "kinds", "bad_status")
    total = result.figure(*each, "total_requests")
    return 0.0 if expected or not total else rejected / total


def _follows_load(result: ResultView) -> str | None:
    """Describe how the share of errors grows with the requests per second, if it does."""
    points = [
        (requests / length_s, (number(row, "errors") or 0.0) / requests)
        for row in result.rows("intervals")
        if (requests := number(row, "requests")) and (length_s := number(row, "duration_s"))
    ]
    points.sort()
    half = len(points) // 2
    if len(points) < MIN_INTERVALS:
        return None
    (low_rps, low), (high_rps, high) = (
        (statistics.median(rps for rps, _ in part), statistics.median(share for _, share in part))
        for part in (points[:half], points[-half:])
    )
    if high_rps < MORE_LOAD * low_rps or high < max(MORE_REJECTED * low, MIN_SHARE):
        return None
    return (
        f"they follow the load: {low:.0%} failed at {low_rps:,.0f}/s, {high:.0%} at"
        f" {high_rps:,.0f}/s"
    )
