"""The rate limiter. All but one of its causes need a test that knows the documented limit."""

from straingauge.diagnosis.cause import Cause, Evidence, cause
from straingauge.diagnosis.result_view import ResultView
from straingauge.number_text import count


@cause(
    title="the rate limiter rejects ordinary load",
    topics=("limits",),
    charts=("rate", "thresholds"),
    advice=(
        "raise the limit, or count by user instead of by address; let the test use more users",
    ),
)
def rate_limiter_tight(result: ResultView) -> Evidence | None:
    """Detect status 429 on requests that did not expect it.

    A test that exhausts the limit on purpose expects 429, and its requests do not count here.
    """
    limited = result.figure("metrics", "rate_limited")
    reason = result.reasons.get("rate_limited")
    if not limited or reason is None:
        return None
    certain = reason.get("severity") == "invalid"
    message = str(reason.get("message") or f"{count(limited, 'request')} got status 429")
    return Evidence(0.85 if certain else 0.45, (message,))


rate_limiter_absent = Cause(
    id="rate_limiter_absent",
    title="the rate limiter is not active",
    topics=("limits",),
    explains=("rate_limiter_loose", "rate_limiter_untrue"),
    charts=("rate", "thresholds"),
    advice=(
        "limits not enforced: is the limiter registered with the application? does the endpoint"
        " have its decorator? does its signature have `request: Request`?",
        "check that no setting switches it off in this environment",
    ),
)
rate_limiter_loose = Cause(
    id="rate_limiter_loose",
    title="the rate limiter lets more through than it should",
    topics=("limits",),
    charts=("rate", "thresholds"),
    advice=(
        "compare the limit and the window in effect with the intended ones",
        "check that all endpoints count into the limit they share, by the same key",
    ),
)
rate_limiter_shared = Cause(
    id="rate_limiter_shared",
    title="one rate limit counts all users together",
    topics=("limits",),
    explains=("rate_limiter_tight",),
    charts=("rate", "thresholds"),
    advice=(
        "count by user: does the limiter's key come from the token, or is it the address of the"
        " proxy in front of the service, or a constant?",
    ),
)
rate_limiter_per_process = Cause(
    id="rate_limiter_per_process",
    title="each process counts the rate limit separately",
    topics=("limits",),
    explains=("rate_limiter_loose",),
    charts=("rate", "thresholds"),
    advice=(
        "keep the limiter's counts where all processes share them (Redis, the database), not in"
        " memory",
    ),
)
rate_limiter_untrue = Cause(
    id="rate_limiter_untrue",
    title="Retry-After headers are wrong",
    topics=("limits",),
    charts=("thresholds", "rate"),
    advice=(
        "send Retry-After with each 429, as the seconds left of the exceeded window (RFC 9110,"
        " section 10.2.3), and serve the client after that time",
    ),
)
