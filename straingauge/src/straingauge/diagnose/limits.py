"""The rate limiter. All but one of its causes are found by a test that knows the promised limit."""

from straingauge.diagnose.cause import Cause, Rules, named
from straingauge.diagnose.facts import Facts
from straingauge.diagnose.told import told_by_tests


def rate_limiter_tight(facts: Facts) -> Cause | None:
    """Speaks when requests were answered 429 that had not asked for it.

    A test that provokes the limiter expects 429 of its requests, and they do not count here.
    """
    limited = facts.figure("metrics", "rate_limited")
    reason = facts.reasons.get("rate_limited")
    if not limited or reason is None:
        return None
    sure = reason.get("severity") == "invalid"
    evidence = str(reason.get("message") or f"{limited:.0f} requests were answered 429")
    return named("rate_limiter_tight", 0.85 if sure else 0.45, (evidence,))


RULES: Rules = {
    "rate_limiter_tight": rate_limiter_tight,
    "rate_limiter_absent": told_by_tests("rate_limiter_absent"),
    "rate_limiter_loose": told_by_tests("rate_limiter_loose"),
    "rate_limiter_per_process": told_by_tests("rate_limiter_per_process"),
    "rate_limiter_untrue": told_by_tests("rate_limiter_untrue"),
}
