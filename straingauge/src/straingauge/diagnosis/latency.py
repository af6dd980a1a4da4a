"""Which requests are slow, and where their time goes: one endpoint, a few of all, or the first."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from straingauge.diagnosis.cause import Cause, Rules, make_cause, scale
from straingauge.diagnosis.result_view import ResultView, number, topic_of_metric

NOTICED_MS = 100.0  # below it people take an answer to be immediate (Nielsen 1993)
TAIL = 3.0  # times the median
ENOUGH = 30  # requests, to tell an endpoint's tail
PART_WORDS = {
    "pool": "waiting for a database connection",
    "db": "the database",
    "app": "the application's own code",
    "rest": "outside of what the service measures (middleware, queueing, network)",
}


def slow_endpoint(facts: ResultView) -> Cause | None:
    """Speaks when half of an endpoint's requests are slow, and says where their time goes.

    It is the plainest of all causes: whatever else explains the time stands before it. Where the
    application or what is around it takes most, it is likely all that can be said from outside.
    """
    accused = {str(e.get("where")) for e in facts.complaints if topic_of_metric(str(e.get("rule")))}
    accused &= facts.endpoints.keys()
    slow = {
        name: p50_ms
        for name, p50_ms in _medians(facts).items()
        if p50_ms >= NOTICED_MS and (not accused or name in accused)
    }
    if not slow:
        return None
    worst = max(slow, key=lambda name: slow[name])
    evidence = [f"{name}: half of all requests take {slow[name]:.0f} ms or more" for name in slow]
    part = _largest_part(facts, worst)
    advice = facts.request_ids(row for row in facts.slowest if row.get("endpoint") == worst)
    if part is None:
        return make_cause("slow_endpoint", 0.6, tuple(evidence), advice)
    name, share = part
    evidence.insert(1, f"{share:.0%} of the time of {worst} is {PART_WORDS.get(name, name)}")
    own = name not in ("pool", "db")
    return make_cause("slow_endpoint", 0.75 if own else 0.5, tuple(evidence), advice)


def slow_tail(facts: ResultView) -> Cause | None:
    """Speaks when a few of a hundred requests, of all endpoints, are slower by about one amount.

    What hits endpoints alike, and neither the pool nor the database accounts for, lies in front
    of the application or around it.
    """
    tails = {name: tail for name in facts.endpoints if (tail := _tail(facts, name)) is not None}
    slow = {n: t for n, t in tails.items() if t[1] >= max(TAIL * t[0], t[0] + NOTICED_MS)}
    if not slow:
        return None
    medians, tops = zip(*slow.values(), strict=True)
    of_all = len(slow) / len(tails)
    confidence = 0.6 if of_all >= 0.6 else 0.4
    evidence = [
        f"the slowest few of a hundred take {min(tops):.0f} to {max(tops):.0f} ms, half of all"
        f" requests at most {max(medians):.0f} ms, at {len(slow)} of {len(tails)} endpoints"
    ]
    outside = _outside(facts)
    if outside is not None:
        evidence.append(
            f"{outside:.0%} of the time of the slowest is neither pool wait nor database"
        )
        confidence = confidence + 0.15 if outside >= 0.7 else min(confidence, 0.35)
    times = [ms for row in facts.slowest if (ms := number(row, "response_ms"))]
    if len(times) >= 5 and max(times) <= 1.4 * min(times):
        evidence.append(f"slow by about one amount: {min(times):.0f} to {max(times):.0f} ms")
        confidence += 0.1
    return make_cause("slow_tail", confidence, tuple(evidence), facts.request_ids(facts.slowest))


def slow_start(facts: ResultView) -> Cause | None:
    """Speaks when the slow requests are those at the beginning, and no others.

    What is opened, loaded or compiled on first use is paid for by the first to come. Where most
    requests are slow the slowest of them may be early by chance, or by what the load before left.
    """
    least_ms = min((number(row, "response_ms") or 0 for row in facts.slowest), default=0.0)
    if facts.figure("metrics", "latency_ms", "p50") > least_ms / 3:
        return None
    times = [t_s for row in facts.slowest if (t_s := number(row, "t_s")) is not None]
    begin_s = min(3.0, 0.1 * facts.duration_s)
    if len(times) < 5 or facts.duration_s < 10:
        return None
    early = sum(t_s <= begin_s for t_s in times) / len(times)
    evidence = f"of the {len(times)} slowest requests {early:.0%} came in the first {begin_s:.1f} s"
    return make_cause("slow_start", scale(early, 0.7, 1.1), (evidence,)) if early >= 0.7 else None


RULES: Rules = {"slow_endpoint": slow_endpoint, "slow_tail": slow_tail, "slow_start": slow_start}


def _medians(facts: ResultView) -> Mapping[str, float]:
    return {
        name: p50_ms
        for name, each in facts.endpoints.items()
        if (p50_ms := number(each, "latency_ms", "p50")) is not None
    }


def _tail(facts: ResultView, endpoint: str) -> tuple[float, float] | None:
    """An endpoint's median and the height of its tail; None of too few requests."""
    latency = ("endpoints", endpoint, "latency_ms")
    p50_ms = facts.number(*latency, "p50")
    if p50_ms is None or facts.figure("endpoints", endpoint, "total_requests") < ENOUGH:
        return None
    return p50_ms, max(facts.figure(*latency, "p95"), facts.figure(*latency, "p99"))


def _largest_part(facts: ResultView, endpoint: str) -> tuple[str, float] | None:
    own = facts.table("endpoints", endpoint, "server_timing", "parts")
    parts = own or facts.table("metrics", "server_timing", "parts")
    shares = {name: number(parts, name, "share") or 0.0 for name in parts}
    name = max(shares, key=lambda part: shares[part], default="")
    return (name, shares[name]) if shares.get(name) else None


def _outside(facts: ResultView) -> float | None:
    """How much of the slowest requests' time is outside of pool and database; None: not known."""
    shares = list(_outside_of(facts.slowest))
    if shares:
        return statistics.median(shares)
    inside = [facts.part_share(part) for part in ("pool", "db")]
    known = [share for share in inside if share is not None]
    return 1 - sum(known) if known else None


def _outside_of(rows: Iterable[Mapping[str, Any]]) -> Iterable[float]:
    for row in rows:
        whole_ms = number(row, "response_ms")
        if whole_ms and isinstance(row.get("parts_ms"), Mapping) and row["parts_ms"]:
            inside = sum(number(row, "parts_ms", part) or 0 for part in ("pool", "db"))
            yield max(0.0, 1 - inside / whole_ms)
