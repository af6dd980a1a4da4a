"""The service's connection pool: too small, or drained by connections that never come back."""

from itertools import pairwise

from straingauge.diagnosis.cause import Cause, Rules, make_cause, scale
from straingauge.diagnosis.result_view import POOL_WORDS, ResultView

POOL = ("resources", "pool")
AFTER = ("resources", "after")
DATABASE = ("resources", "database", "connections")
AWAIT_MS = 5.0  # on average; a free connection is there within microseconds


def pool_exhausted(facts: ResultView) -> Cause | None:
    """Speaks when all connections are in use and requests wait for one, or give up waiting.

    A request that gives up is certain evidence. Else it is the share of slow requests' time that
    goes into waiting: under heavy load some waiting is as it should be, and no cause of anything.
    """
    size, peak = facts.figure(*POOL, "size"), facts.figure(*POOL, "peak_in_use")
    waiters, wait_ms = facts.figure(*POOL, "peak_waiters"), facts.figure(*POOL, "wait_avg_ms")
    timeouts, words = facts.figure(*POOL, "timeouts"), facts.said(POOL_WORDS)
    share = facts.part_share("pool")
    full = waiters > 0 and peak >= size > 0 and wait_ms >= AWAIT_MS
    if timeouts or (words and "pool" in words.lower()):
        confidence = 0.9
    elif share is not None:
        confidence = scale(share, 0.35, 0.7) if share >= 0.2 else 0.0
        confidence = confidence if full or not size else min(confidence, 0.4)
    else:
        confidence = scale(waiters / max(peak, 1), 5, 20) if full else 0.0
    if not confidence:
        return None
    evidence = []
    if timeouts:
        evidence.append(f"{timeouts:.0f} requests gave up waiting for a connection")
    if words:
        evidence.append(f"the errors say: {words}")
    if size:
        evidence.append(
            f"all {peak:.0f} connections were in use (size {size:.0f}), up to {waiters:.0f}"
            f" requests waited, {wait_ms:.0f} ms on average"
        )
    if share is not None:
        evidence.append(f"waiting for a connection takes {share:.0%} of the time of slow requests")
    return make_cause("pool_exhausted", confidence, tuple(evidence))


def connections_leaked(facts: ResultView) -> Cause | None:
    """Speaks when connections are still taken at rest; surer when the fewest in use had risen.

    When nobody asks, nobody needs a connection but background work, which comes and goes. So it has
    to be more than one and no job may be waiting, or all that there is has been taken.
    """
    kept = facts.figure(*AFTER, "pool_in_use")
    if not kept:
        return None
    floor = _floors([value for _, value in facts.samples("pool_in_use")])
    rising = bool(floor) and floor[-1] > floor[0] and all(a <= b for a, b in pairwise(floor))
    drained = kept >= max(facts.figure(*POOL, "size"), 2)
    trend = facts.figure(*POOL, "in_use_trend_per_1000_requests", "low") > 0
    waiting = facts.number(*AFTER, "jobs_waiting")
    working = facts.figure("resources", "jobs", "waiting", "final") if waiting is None else waiting
    idle = facts.figure(*AFTER, "database_idle_in_transaction") >= kept
    confidence = 0.4
    if kept >= 2:
        confidence = 0.93 if rising or trend or drained else 0.87
        confidence = min(confidence, 0.6) if working and not drained else confidence
    elif idle and not working:
        confidence = 0.6
    evidence = [
        f"{kept:.0f} connections are in use though nobody has asked for anything for"
        f" {facts.figure(*AFTER, 'quiet_s'):.0f} s"
    ]
    if rising:
        steps = ", ".join(f"{value:.0f}" for value in floor)
        evidence.append(f"the fewest in use in each quarter of the load: {steps}")
    if idle:
        evidence.append("the database sees them idle in a transaction")
    idle_s = facts.figure(*DATABASE, "idle_in_transaction_longest_s")
    if idle_s >= 1:
        evidence.append(f"the database saw a transaction idle for {idle_s:.0f} s")
    return make_cause("connections_leaked", confidence, tuple(evidence))


RULES: Rules = {"pool_exhausted": pool_exhausted, "connections_leaked": connections_leaked}


def _floors(values: list[float]) -> list[float]:
    """The least of each quarter; nothing of too few samples."""
    quarter = len(values) // 4
    if quarter < 2:
        return []
    return [min(values[i * quarter : (i + 1) * quarter]) for i in range(4)]
