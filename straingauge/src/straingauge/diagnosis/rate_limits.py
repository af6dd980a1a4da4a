"""The rate limiter. All but one of its causes are found by a test that knows the promised limit."""

from straingauge.diagnosis.cause import Cause, Rules, make_cause
from straingauge.diagnosis.reported import reported_by_tests
from straingauge.diagnosis.result_view import ResultView


def rate_limiter_tight(facts: ResultView) -> Cause | None:
    """Speaks when requests were answered 429 that had not asked for it.

    A test that provokes the limiter expects 429 of its requests, and they do not count here.
    """
    limited = facts.figure("metrics", "rate_limited")
    reason = facts.reasons.get("rate_limited")
    if not limited or reason is None:
        return None
    sure = reason.get("severity") == "invalid"
    evidence = str(reason.get("message") or f"{limited:.0f} requests were answered 429")
    return make_cause("rate_limiter_tight", 0.85 if sure else 0.45, (evidence,))


RULES: Rules = {
    "rate_limiter_tight": rate_limiter_tight,
    "rate_limiter_absent": reported_by_tests("rate_limiter_absent"),
    "rate_limiter_loose": reported_by_tests("rate_limiter_loose"),
    "rate_limiter_per_process": reported_by_tests("rate_limiter_per_process"),
    "rate_limiter_untrue": reported_by_tests("rate_limiter_untrue"),
}
