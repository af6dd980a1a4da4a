"""What grows while the service works: its memory, files, threads, response times."""

from straingauge.diagnosis.cause import Cause, CauseId, Rules, make_cause, scale
from straingauge.diagnosis.result_view import ResultView
from straingauge.statistics import Trend, theil_sen

MEMORY = ("resources", "service", "memory")
AFTER = ("resources", "after")
FEW = 10  # files, or threads
FEWEST = 16  # samples, of which the second half still makes a trend


def memory_leak(facts: ResultView) -> Cause | None:
    """Speaks when memory surely still grew in the second half, and rest did not bring it back.

    Surely means that the interval of the trend excludes zero (`summary.trend`). A cache that fills
    and stops does not grow in the second half; a collector's debt is paid back at rest.
    """
    if not facts.at(*MEMORY, "steady"):
        return None
    growth_mb = facts.figure(*MEMORY, "growth_mb")
    later_mb = facts.figure(*MEMORY, "later_trend_mb_per_200_requests", "slope")
    low_mb = facts.figure(*MEMORY, "later_trend_mb_per_200_requests", "low")
    evidence = [
        f"memory grew by {growth_mb:.1f} MB in {facts.requests:.0f} requests, in the second half by"
        f" {later_mb:.2f} MB for each 200 of them (at least {low_mb:.2f})"
    ]
    rest_mb, initial_mb = facts.number(*AFTER, "memory_mb"), facts.number(*MEMORY, "initial_mb")
    if rest_mb is None or initial_mb is None:
        return make_cause("memory_leak", 0.65, (*evidence, "nobody looked at it at rest"))
    kept_mb = rest_mb - initial_mb
    evidence.append(f"{kept_mb:.1f} MB of it were still there at rest")
    return make_cause("memory_leak", 0.9 if kept_mb >= 0.6 * growth_mb else 0.35, tuple(evidence))


def file_leak(facts: ResultView) -> Cause | None:
    """Speaks when open files and sockets still rose in the second half, and stayed open at rest.

    Clients' connections and the pool's are opened early in a load; what goes on rising to its end
    is opened by requests and forgotten. At rest the clients may still hold their connections, so
    only growth beyond them counts: that of the second half, by its trend.
    """
    pool = facts.figure("resources", "pool", "peak_in_use")
    return _never_returned(facts, "file_leak", "open_files", "open files and sockets", pool)


def thread_leak(facts: ResultView) -> Cause | None:
    """Speaks when threads were still added in the second half, and were alive at rest."""
    return _never_returned(facts, "thread_leak", "threads", "threads", 0)


def _never_returned(
    facts: ResultView, cause: CauseId, figure: str, words: str, free: float
) -> Cause | None:
    """What is taken by requests and not given back, beyond what the service may take freely."""
    # By the last looks the clients have gone, and taken their sockets with them.
    ended_s = facts.figure("metrics", "duration_s")
    seen = [each for each in facts.samples(figure) if each[0] <= ended_s]
    later = seen[len(seen) // 2 :]
    trend = _trend(later) if len(seen) >= FEWEST else None
    if trend is None or not trend.rises:
        return None
    grown = trend.slope * (later[-1][0] - later[0][0])
    if grown < FEW + free:
        return None
    evidence = [
        f"{words} rose from {seen[0][1]:.0f} to {max(n for _, n in seen):.0f}, by"
        f" {grown:.0f} in the second half of the load"
    ]
    rest = facts.number(*AFTER, figure)
    if rest is None:
        return make_cause(cause, 0.6, (*evidence, "nobody looked at them at rest"))
    evidence.append(f"{rest:.0f} were still there at rest")
    return make_cause(cause, 0.9 if rest >= seen[0][1] + grown else 0.35, tuple(evidence))


def slowing_down(facts: ResultView) -> Cause | None:
    """Speaks when response times surely rise over a steady load.

    The trend's interval excludes zero, and its low end is large enough to matter.
    """
    low, slope = (
        facts.figure("metrics", "degradation", f"{name}percent_per_minute") for name in ("low_", "")
    )
    if low < 5:
        return None
    evidence = f"response times rise by {slope:.0f} % each minute (at least {low:.0f} %)"
    return make_cause("slowing_down", scale(low, 10, 40), (evidence,))


RULES: Rules = {
    "memory_leak": memory_leak,
    "file_leak": file_leak,
    "thread_leak": thread_leak,
    "slowing_down": slowing_down,
}


def _trend(points: list[tuple[float, float]]) -> Trend | None:
    return theil_sen([t_s for t_s, _ in points], [value for _, value in points])
