"""Judge a result: its verdict, and the causes of what was found."""

from collections.abc import Iterable, Sequence

from straingauge.diagnosis import cause_of_failed_check, diagnose, undecided, warnings
from straingauge.number_text import count, plain
from straingauge.result.format.result import Measurements, Result
from straingauge.verdict import Finding, Thresholds, Verdict, judge


def conclude(
    result: Measurements,
    thresholds: Thresholds,
    findings: Iterable[Finding] = (),
    *,
    required: Sequence[str] = (),
) -> tuple[Result, Verdict]:
    """Add the verdict and the diagnosis to a result.

    Args:
        result: The result without them.
        thresholds: The thresholds it is judged by.
        findings: Findings of the test itself.
        required: Endpoints that must have been called.

    Returns:
        The complete result, and its verdict.
    """
    notes = [each.as_dict() for each in undecided(result)]
    reasons = [*result["validity"]["reasons"], *notes]
    result = {**result, "validity": {**result["validity"], "reasons": reasons}}
    own = list(findings)
    rules = [*_abort(result), *_verification(result), *_memory_growth(result, thresholds)]
    known = {each.cause for each in (*own, *rules) if each.grade in ("warning", "critical")}
    rules += [warning for warning in warnings(result) if warning.cause not in known]
    verdict = judge(result, thresholds, own, rules=rules, required=required)
    judged: Result = {**result, "verdict": verdict.as_dict(), "diagnosis": []}
    judged["diagnosis"] = diagnose(judged)
    return judged, verdict


def _abort(result: Measurements) -> Iterable[Finding]:
    """The abort of a run: a value that was critical for some seconds, if not over all of it."""
    ended = result.get("ended_early")
    if ended is not None and ended["by"] != "user":
        yield Finding(
            ended["rule"], "critical", f"aborted: {ended['message']}", endpoint=ended["endpoint"]
        )


def _verification(result: Measurements) -> Iterable[Finding]:
    """The outcome of the verification: any failed request is critical."""
    verify = result["phases"].get("verify")
    if verify is None:
        return
    failed = sum(verify["errors"]["kinds"].values()) + verify["rate_limited"]
    total = verify["total_requests"]
    if not failed:
        succeeded = f"all {count(total, 'request')} after the load succeeded"
        yield Finding("verification", "target", succeeded)
        return
    examples = verify["errors"]["examples"]
    first = examples[0] if examples else {"status": 429, "detail": "status 429"}
    yield Finding(
        "verification",
        "critical",
        f"{failed:,} of {count(total, 'request')} after the load failed; first: {first['detail']}",
        cause=cause_of_failed_check(first),
    )


def _memory_growth(result: Measurements, thresholds: Thresholds) -> Iterable[Finding]:
    """Memory that still grew at the end is critical, if there is a threshold for its growth."""
    if "memory_growth_mb_per_200_requests" not in thresholds.for_run(result["name"]):
        return
    service = result["resources"]["service"]
    memory = service and service["memory"]
    later = memory and memory["later_trend_mb_per_200_requests"]
    if memory and later and memory["still_growing"]:
        yield Finding(
            "steady memory growth",
            "critical",
            f"the service's memory grew by {plain(memory['growth_mb'], 3)} MB and had not stopped: "
            f"{plain(later['slope'], 3)} MB for each 200 requests in the second half "
            f"(at least {plain(later['low'], 3)})",
            cause="memory_leak",
        )
