"""Slow requests, and where their time goes: of one endpoint, a few, the first, or ever more.

If most requests fail, the others are too few to say anything about the service's speed.
"""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.result_view import ResultView, is_in_waves, number
from straingauge.diagnosis.topic import topic_of_metric
from straingauge.diagnosis.traced_time import traced_time
from straingauge.number_text import count, plain

NOTICED_MS = 100.0  # people take a shorter response time to be immediate (Nielsen 1993)
TAIL = 3.0  # times the median
SMALL_SHARE = 0.2  # of the requests of an endpoint; one in five is no exception any more
MIN_REQUESTS = 30  # for a statement about an endpoint's tail
MIN_DURATION_S = 10.0  # of a load whose start is one part of it
MIN_PAUSES = 2  # one may be the end of the load before
PAUSE_SHARE = 0.5  # of a slow request: requests meet a pause at its beginning or in its middle
IN_PAUSE = 0.35  # a pause is the plainer explanation, even where it is uncertain (0.4)
MIN_WAVES = 3  # so that most requests come after the first one
PART_WORDS = {
    "pool": "waiting for a database connection",
    "db": "the database",
    "app": "the application's own code",
    "unattributed": "outside of what the service measures (middleware, queueing, network)",
}


@cause(
    title="an endpoint is slow for many of its requests",
    describes=True,
    topics=("speed",),
    explains=("slow_tail",),
    code=("occupying", "waiting"),
    charts=("endpoints", "profile", "traces", "latency"),
    advice=(
        "for high latency check, in this order: indexes, slow statements, CPU and memory, and the"
        " latency of connections to other services",
    ),
)
def slow_endpoint(result: ResultView) -> Evidence | None:
    """Detect an endpoint that is slow for half of its requests or a large share of them.

    Its evidence says where the time goes. It is the plainest of all causes: whatever else explains
    the time ranks above it. If most of the time goes to the application or its surroundings,
    nothing more can be said from outside.
    """
    if result.fails_mostly:
        return None
    failed = {
        str(e.get("endpoint")) for e in result.failures if topic_of_metric(str(e.get("rule")))
    }
    failed &= result.endpoints.keys()
    slow = {
        name: many
        for name in result.endpoints
        if (not failed or name in failed) and (many := _slow_for_many(result, name)) is not None
    }
    if not slow:
        return None
    worst = max(slow, key=lambda name: slow[name][0])
    evidence = [sentence for _, sentence in slow.values()]
    part = _largest_part(result, worst)
    advice = result.request_ids(row for row in result.slowest if row.get("endpoint") == worst)
    found, where = traced_time(result, worst)
    evidence[1:1] = found
    if part is None:
        return Evidence(0.6, tuple(evidence), advice, where)
    name, share = part
    evidence.insert(1, f"{share:.0%} of the time of {worst} is {PART_WORDS.get(name, name)}")
    own = name not in ("pool", "db")
    return Evidence(0.75 if own else 0.5, tuple(evidence), advice, where)


@cause(
    title="a small share of all requests is much slower than the rest",
    describes=True,
    topics=("speed",),
    code=("occupying", "waiting"),
    charts=("curve", "slowest", "traces"),
    advice=(
        "look at what surrounds the application: middleware, proxy, load balancer, network, name"
        " resolution; and at calls to other services that time out",
    ),
)
def slow_tail(result: ResultView) -> Evidence | None:
    """Detect a few percent of requests, of all endpoints, that are slower by about one amount.

    If endpoints suffer alike, and neither the pool nor the database accounts for it, the cause lies
    in front of the application or around it. A wave that is slow as a whole is no tail: its
    requests start at one instant and wait for each other, or for what all of them wait for.
    """
    if result.fails_mostly or (is_in_waves(result) and _in_one_wave(result)):
        return None
    tails = {name: tail for name in result.endpoints if (tail := _tail(result, name)) is not None}
    slow = {
        name: tail
        for name, tail in tails.items()
        if _is_far_above(*tail) and _slow_share(result, name) <= SMALL_SHARE
    }
    if not slow:
        return None
    medians, tops = zip(*slow.values(), strict=True)
    confidence = 0.6 if len(slow) / len(tails) >= 0.6 else 0.4
    evidence = [
        f"the slowest few percent take {min(tops):,.0f} to {max(tops):,.0f} ms, half of all"
        f" requests at most {plain(max(medians), 3)} ms, at {len(slow)} of"
        f" {count(len(tails), 'endpoint')}"
    ]
    outside = _outside(result)
    if outside is not None:
        evidence.append(
            f"{outside:.0%} of the time of the slowest is neither pool wait nor database"
        )
        confidence = confidence + 0.15 if outside >= 0.7 else min(confidence, 0.35)
    times = [ms for row in result.slowest if (ms := number(row, "response_ms"))]
    if len(times) >= 5 and max(times) <= 1.4 * min(times):
        evidence.append(f"slow by about one amount: {min(times):,.0f} to {max(times):,.0f} ms")
        confidence += 0.1
    if _in_pauses(result, max(tops)):
        evidence.append("the whole service paused for about as long: these requests met a pause")
        confidence = min(confidence, IN_PAUSE)
    return Evidence(confidence, tuple(evidence), result.request_ids(result.slowest))


@cause(
    title="only the start is slow",
    describes=True,
    topics=("speed",),
    explains=("slow_tail",),
    charts=("latency", "slowest"),
    advice=(
        "warm up before traffic arrives: open the pool, load models and caches at start, and report"
        " ready only afterwards",
    ),
)
def slow_start(result: ResultView) -> Evidence | None:
    """Detect slow requests at the beginning and none later.

    The first requests pay for what is opened, loaded or compiled on first use. If most requests of
    an endpoint are slow, its slowest may be early by chance, or because of the load before.
    """
    if result.fails_mostly:
        return None
    if not all(_is_exceptional(result, row) for row in result.slowest):
        return None
    times = [t_s for row in result.slowest if (t_s := number(row, "start_s")) is not None]
    start_s = _start_s(result)
    if len(times) < 5 or start_s is None:
        return None
    early = sum(t_s <= start_s for t_s in times) / len(times)
    when = "first wave" if is_in_waves(result) else f"first {plain(start_s, 3)} s"
    evidence = f"{early:.0%} of the {count(len(times), 'slowest request')} came in the {when}"
    return Evidence(scale(early, 0.7, 1.1), (evidence,)) if early >= 0.7 else None


def _start_s(result: ResultView) -> float | None:
    """Return how long the start of the load is; None if there is too little after it.

    In waves it is the first one, in which all users open their connections at once.
    """
    if not is_in_waves(result):
        return min(3.0, 0.1 * result.duration_s) if result.duration_s >= MIN_DURATION_S else None
    schedule = result.table("configuration", "schedule")
    in_wave, every_s = (number(schedule, key) or 0.0 for key in ("concurrent", "every_s"))
    if not in_wave or not every_s or result.requests < MIN_WAVES * in_wave:
        return None
    return every_s / 2


@cause(
    title="the service gets slower over time",
    describes=True,
    topics=("trend",),
    explains=("slow_endpoint", "slow_tail"),
    code=("occupying", "waiting"),
    charts=("latency", "heat"),
    advice=(
        "look for what grows with the requests served: tables and lists read as a whole, caches"
        " that are searched, queues that are not drained",
    ),
)
def slowing_down(result: ResultView) -> Evidence | None:
    """Detect response times that rise over a steady load.

    The trend's interval excludes zero, and its low end is large enough to matter.
    """
    low, slope = (
        result.figure("metrics", "degradation", f"{name}percent_per_minute")
        for name in ("low_", "")
    )
    if low < 5 or result.fails_mostly:
        return None
    evidence = f"response times rise by {slope:,.0f} % per minute (at least {low:,.0f} %)"
    return Evidence(scale(low, 10, 40), (evidence,))


def _in_pauses(result: ResultView, slow_ms: float) -> bool:
    """Return whether the whole service paused for about as long as slow requests take."""
    count, longest_ms = (result.figure("metrics", "stalls", key) for key in ("count", "longest_ms"))
    if is_in_waves(result):
        return False  # nothing is answered at the end of each wave
    return count >= MIN_PAUSES and longest_ms >= PAUSE_SHARE * slow_ms


def _in_one_wave(result: ResultView) -> bool:
    """Return whether all of the slowest requests started at one instant."""
    times = [t_s for row in result.slowest if (t_s := number(row, "start_s")) is not None]
    every_s = result.figure("configuration", "schedule", "every_s")
    return len(times) >= 5 and max(times) - min(times) < every_s / 2


def _slow_for_many(result: ResultView, endpoint: str) -> tuple[float, str] | None:
    """Return the time of an endpoint's slow requests and a sentence on them; None if few are."""
    p50_ms = result.figure("endpoints", endpoint, "latency_ms", "p50")
    if p50_ms >= NOTICED_MS:
        return p50_ms, f"{endpoint}: half of all requests take {p50_ms:,.0f} ms or more"
    tail, share = _tail(result, endpoint), _slow_share(result, endpoint)
    if tail is None or not _is_far_above(*tail) or share <= SMALL_SHARE:
        return None
    processes = result.figure("resources", "service", "processes", "peak")
    workers = (
        f", or one of {count(processes, 'process', 'processes')} is slow" if processes > 1 else ""
    )
    return tail[1], (
        f"{endpoint}: about {share:.0%} of all requests take {tail[1]:,.0f} ms, half of all at most"
        f" {p50_ms:,.0f} ms: they do different things, such as with and without a cache{workers}"
    )


def _is_far_above(p50_ms: float, top_ms: float) -> bool:
    return top_ms >= max(TAIL * p50_ms, p50_ms + NOTICED_MS)


def _slow_share(result: ResultView, endpoint: str) -> float:
    """Return the share of an endpoint's requests that are slow, by their mean.

    Of requests that take either a short or a long time, the mean lies between the two as far as
    the share of the long ones: mean = short + share * (long - short).
    """
    avg_ms, p50_ms, p99_ms = (
        result.figure("endpoints", endpoint, "latency_ms", key) for key in ("avg", "p50", "p99")
    )
    return (avg_ms - p50_ms) / (p99_ms - p50_ms) if p99_ms > p50_ms else 0.0


def _is_exceptional(result: ResultView, row: Mapping[str, Any]) -> bool:
    """Return whether a request was far slower than most of its endpoint."""
    p50_ms = result.figure("endpoints", str(row.get("endpoint")), "latency_ms", "p50")
    usual_ms = p50_ms or result.figure("metrics", "latency_ms", "p50")
    return TAIL * usual_ms <= (number(row, "response_ms") or 0.0)


def _tail(result: ResultView, endpoint: str) -> tuple[float, float] | None:
    """Return an endpoint's median and the height of its tail; None for too few requests."""
    latency = ("endpoints", endpoint, "latency_ms")
    p50_ms = result.number(*latency, "p50")
    if p50_ms is None or result.figure("endpoints", endpoint, "total_requests") < MIN_REQUESTS:
        return None
    return p50_ms, max(result.figure(*latency, "p95"), result.figure(*latency, "p99"))


def _largest_part(result: ResultView, endpoint: str) -> tuple[str, float] | None:
    own = result.table("endpoints", endpoint, "server_timing", "parts")
    parts = own or result.table("metrics", "server_timing", "parts")
    shares = {name: number(parts, name, "share") or 0.0 for name in parts}
    name = max(shares, key=lambda part: shares[part], default="")
    return (name, shares[name]) if shares.get(name) else None


def _outside(result: ResultView) -> float | None:
    """Return the share of the slowest requests' time outside of pool and database, if known."""
    shares = list(_outside_shares(result.slowest))
    if shares:
        return statistics.median(shares)
    inside = [result.part_share(part) for part in ("pool", "db")]
    known = [share for share in inside if share is not None]
    return 1 - sum(known) if known else None


def _outside_shares(rows: Iterable[Mapping[str, Any]]) -> Iterable[float]:
    for row in rows:
        whole_ms = number(row, "response_ms")
        if whole_ms and isinstance(row.get("parts_ms"), Mapping) and row["parts_ms"]:
            inside = sum(number(row, "parts_ms", part) or 0 for part in ("pool", "db"))
            yield max(0.0, 1 - inside / whole_ms)
