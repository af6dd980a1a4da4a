"""Pauses of the whole service: a blocked event loop, and freezes of any other kind."""

from collections.abc import Sequence

from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.cpu_wait import is_starved
from straingauge.diagnosis.event_loop import MUCH_BLOCKED, blocked_loop_thread, occupied_loop
from straingauge.diagnosis.result_view import ResultView, is_in_waves, number
from straingauge.number_text import count, plain

SERVICE = ("resources", "service")
STALLS = ("metrics", "stalls")
NOTICEABLE_MS = 100.0  # shorter pauses are the scheduler's and the garbage collector's
COMPARABLE = 0.2  # of the delay to be explained
UNUSUAL = 3.0  # times the median response time
TOGETHER = 0.8  # of the slowest requests, which end at the same instants
AT_ONCE = 0.1  # of their response time
MIN_TOGETHER = 3  # requests; two may meet by chance


@cause(
    title="the service's event loop is blocked",
    topics=("speed",),
    explains=(
        "endpoint_errors",
        "freeze",
        "pool_exhausted",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    warns_from=0.85,
    code=("blocking", "looping"),
    charts=("loop", "profile", "heat"),
    advice=(
        "look for blocking calls in asynchronous code (sleep, synchronous drivers and clients, file"
        " and CPU work): use their asynchronous counterparts, or a thread",
    ),
)
def event_loop_blocked(result: ResultView) -> Evidence | None:
    """Detect an event loop that was blocked for long enough to explain the delays.

    An event loop runs one step at a time: while a step computes or waits synchronously, no request
    is served. A pause much shorter than the measured delays did not cause them. A service that
    does not measure its loop shows it in the snapshots of its profile, and in any language by the
    calls in which the kernel sees its main thread.
    """
    if result.at(*SERVICE, "event_loop") is None:
        return _blocked_in_snapshots(result) or _blocked_by_kernel(result)
    loop = (*SERVICE, "event_loop")
    blocks, longest_ms = result.figure(*loop, "blocks"), result.figure(*loop, "longest_ms")
    blocked_s = result.figure(*loop, "blocked_s")
    share = blocked_s / result.duration_s if result.duration_s else 0.0
    if blocks < 3 or longest_ms < NOTICEABLE_MS or share < 0.01:
        return None
    confidence = min(scale(longest_ms, 100, 250), scale(share, 0.02, 0.06))
    evidence = [
        f"the event loop was blocked {count(blocks, 'time')}, {plain(blocked_s, 3)} s in total"
        f" ({share:.0%} of the time), the longest {plain(longest_ms, 3)} ms"
    ]
    if stalls := result.figure(*STALLS, "count"):
        evidence.append(f"clients saw {count(stalls, 'pause')} in which no request was answered")
    return Evidence(_limited(result, longest_ms, confidence), tuple(evidence))


def _blocked_in_snapshots(result: ResultView) -> Evidence | None:
    """Return evidence if the thread of an event loop was in a step that did not compute.

    A thread that is in a step, neither runs on a CPU nor waits for one, waits for something else,
    and all requests wait with it.
    """
    occupied = occupied_loop(result)
    if occupied is None or result.fails_mostly:
        return None
    cpu_percent, wait_percent = (
        result.figure(*SERVICE, key, "avg") for key in ("cpu_percent", "cpu_wait_percent")
    )
    waiting = occupied - (cpu_percent + wait_percent) / 100
    if waiting < MUCH_BLOCKED:
        return None
    evidence = (
        f"the thread of the event loop was in a step in {occupied:.0%} of the snapshots, but ran or"
        f" waited for a CPU only {(cpu_percent + wait_percent) / 100:.0%} of the time",
    )
    return Evidence(scale(waiting, MUCH_BLOCKED / 2, 2 * MUCH_BLOCKED), evidence)


def _blocked_by_kernel(result: ResultView) -> Evidence | None:
    """Return evidence if the thread of an event loop was in another call than its own."""
    least = blocked_loop_thread(result)
    if least is None or result.fails_mostly:
        return None
    share, looks = (
        result.figure(*SERVICE, "loop_thread", key) for key in ("blocked_share", "samples")
    )
    evidence = (
        f"the main thread waits for events when nothing happens, but was in another, blocking call"
        f" in {share:.0%} of {count(looks, 'sample')}",
    )
    return Evidence(scale(least, MUCH_BLOCKED / 2, 2 * MUCH_BLOCKED), evidence)


@cause(
    title="the whole service pauses now and then",
    topics=("speed",),
    explains=("slow_endpoint", "slow_tail", "slowing_down"),
    warns_from=0.85,
    code=("blocking", "waiting"),
    charts=("heat", "profile", "rate"),
    advice=(
        "look for what stops everything at these times: a global lock, a garbage collection of a"
        " large heap, a synchronous flush, a container that is throttled or paused",
    ),
)
def freeze(result: ResultView) -> Evidence | None:
    """Detect repeated pauses in which several requests were in flight and none was answered.

    One slow request is its own matter; if all wait together, the whole service stands still. In
    waves a few slow requests look the same, so waves prove little. An event loop that kept running
    points to something else that all requests share.
    """
    pauses, longest_ms = result.figure(*STALLS, "count"), result.figure(*STALLS, "longest_ms")
    total_s, every_s = result.figure(*STALLS, "total_s"), result.number(*STALLS, "period_s")
    share = total_s / result.duration_s if result.duration_s else 0.0
    if result.fails_mostly:
        return None
    if pauses < 2 or longest_ms < NOTICEABLE_MS or share < 0.01:
        return _released_together(result)
    confidence = min(scale(longest_ms, 150, 400), scale(share, 0.01, 0.05))
    if longest_ms < UNUSUAL * result.figure("metrics", "latency_ms", "p50"):
        confidence = min(confidence, 0.4)  # the requests may just take that long
    if result.reasons.keys() & {"generator_saturated", "generator_late"}:
        confidence = min(confidence, 0.4)  # the generator may have paused instead
    if is_starved(result):
        confidence = min(confidence, 0.4)  # other programs may have kept it from running
    if is_in_waves(result):
        confidence = min(confidence, 0.4)  # a wave starts when the slowest of the last one is done
    waiting = result.figure(*STALLS, "peak_waiting")
    evidence = [
        f"{count(pauses, 'pause')} without a response while up to"
        f" {count(waiting, 'request was', 'requests were')} in flight: {plain(total_s, 3)} s in"
        f" total ({share:.0%} of the time), the longest"
        f" {longest_ms:,.0f} ms"
    ]
    if every_s is not None:
        evidence.append(f"about every {plain(every_s, 3)} s")
    if result.number(*SERVICE, "event_loop", "blocks") == 0:
        evidence.append("the event loop was not blocked during the pauses")
    return Evidence(_limited(result, longest_ms, confidence), tuple(evidence))


def _released_together(result: ResultView) -> Evidence | None:
    """Return evidence if nearly all of the slowest requests end at a few instants.

    Independent slow requests end at any time. It shows pauses that are too rare or too long for
    the silence between two responses.
    """
    rows = [
        (start_s + took_ms / 1000, took_ms)
        for row in result.slowest
        if (start_s := number(row, "start_s")) is not None
        and (took_ms := number(row, "response_ms")) is not None
    ]
    typical_ms = result.figure("metrics", "latency_ms", "p50")
    if not rows or is_in_waves(result):
        return None
    shortest_ms = min(took_ms for _, took_ms in rows)
    if shortest_ms < max(UNUSUAL * typical_ms, NOTICEABLE_MS):
        return None
    instants = _instants(sorted(ended_s for ended_s, _ in rows), AT_ONCE * shortest_ms / 1000)
    shared = sum(answered for _, answered in instants)
    start_s = min(3.0, 0.1 * result.duration_s)
    later = [ended_s for ended_s, _ in instants if ended_s - shortest_ms / 1000 > start_s]
    if shared < TOGETHER * len(rows) or not later:
        return None
    confidence = 0.6 if len(later) == 1 else 0.8
    if result.reasons.keys() & {"generator_saturated", "generator_late"} or is_starved(result):
        confidence = 0.4  # the generator or the whole machine may have paused instead
    when = ", ".join(f"{ended_s:.1f}" for ended_s, _ in instants[:5])
    evidence = (
        f"{shared} of the {count(len(rows), 'slowest request')} ended at the same"
        f" {count(len(instants), 'instant')} ({when} s): they waited for the same thing"
    )
    return Evidence(confidence, (evidence,))


def _instants(ended_s: Sequence[float], window_s: float) -> list[tuple[float, int]]:
    """Return the instants at which several requests end, each with their number."""
    found, first = [], 0
    for last in range(len(ended_s)):
        if last + 1 < len(ended_s) and ended_s[last + 1] - ended_s[first] <= window_s:
            continue
        if last + 1 - first >= MIN_TOGETHER:
            found.append((ended_s[first], last + 1 - first))
        first = last + 1
    return found


def _limited(result: ResultView, pause_ms: float, confidence: float) -> float:
    """Limit the confidence of pauses too short to explain the slow requests."""
    return confidence if pause_ms >= COMPARABLE * result.slow_ms else min(confidence, 0.4)
