"""A service that stops answering during a load and does not recover."""

from collections.abc import Mapping
from typing import Any

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.http.models import TIMEOUTS
from straingauge.number_text import count

ENOUGH = 5  # requests in a row: see `straingauge.verdict.floor.ENOUGH_FAILURES`
MIN_SILENCE_S = 2.0  # an interval has at least 1 s
MIN_SHARE = 0.9  # of the errors
FULL_PERCENT = 85.0  # of one core


@cause(
    title="the service stopped answering during the load and did not recover (it hangs)",
    topics=("errors", "speed"),
    explains=(
        "endpoint_errors",
        "freeze",
        "limited_concurrency",  # requests in flight that are never answered
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    # Reasons for which a service may stop to answer, which are visible by themselves.
    explained_by=(
        "connections_leaked",
        "cpu_bound",
        "cpu_throttled",
        "event_loop_blocked",
        "lock_contention",
        "packets_lost",
        "pool_exhausted",
        "service_restarted",
        "slow_dependency",
        "unreachable",
    ),
    charts=("rate", "errors-seen", "cpu"),
    advice=(
        "while it hangs, look at where its threads are (py-spy dump, jstack, gdb -p): a deadlock, a"
        " lock or a connection that was not released, a call without a time limit, an endless loop",
        "set time limits for everything that a request waits for, and let a health check restart a"
        " service that does not answer",
    ),
)
def service_hung(result: ResultView) -> Evidence | None:
    """Detect a load of which, from a moment on, each request runs into its time limit.

    A slow service answers some requests in time. An open load on a service that is too slow for it
    may look the same, so that other causes, if they are visible, come first.
    """
    rows = result.rows("intervals")
    answered = [n for n, row in enumerate(rows) if _succeeded(row)]
    timeouts = sum(count for kind, count in result.errors.items() if kind in TIMEOUTS)
    if not answered or timeouts < MIN_SHARE * sum(result.errors.values()):
        return None
    last = rows[answered[-1]]
    since_s = (number(last, "start_s") or 0.0) + (number(last, "duration_s") or 0.0)
    failed_since = sum(number(row, "errors") or 0.0 for row in rows[answered[-1] + 1 :])
    users = result.number("configuration", "users") or 0.0
    if result.duration_s - since_s < MIN_SILENCE_S or timeouts < ENOUGH:
        return None
    if failed_since < ENOUGH and timeouts < users:  # some users would still send requests
        return None
    evidence = [
        f"no request that started after {since_s:.0f} s was answered, until the load ended at"
        f" {result.duration_s:.0f} s: {count(timeouts, 'request')} waited for their time limit"
    ]
    used = _cpu_percent_since(result, since_s)
    if used is not None:
        kind = "it computes" if used >= FULL_PERCENT else "it waits for something"
        evidence.append(f"the service used {used:.0f} % of a core from then on: {kind}")
    return Evidence(0.85, tuple(evidence), onset_s=max(since_s - 1.0, 0.0))


def _succeeded(row: Mapping[str, Any]) -> bool:
    failed = (number(row, "errors") or 0.0) + (number(row, "rate_limited") or 0.0)
    return (number(row, "requests") or 0.0) > failed


def _cpu_percent_since(result: ResultView, since_s: float) -> float | None:
    """Return the service's CPU time after a moment in percent of one core; None if unknown."""
    used = [
        (t_s, cpu_s)
        for t_s, cpu_s in result.samples("cpu_s")
        if since_s <= t_s <= result.duration_s
    ]
    if len(used) < 2:
        return None
    (start_s, before), (end_s, after) = used[0], used[-1]
    return 100 * (after - before) / (end_s - start_s) if end_s > start_s else None
