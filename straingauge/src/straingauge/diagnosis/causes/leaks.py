"""Leaks: memory, files and threads that grow while the service works and are not released."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.location import CodeLocation, Location
from straingauge.diagnosis.remaining import remaining_files, remaining_threads, waiting_threads
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count, plain
from straingauge.statistics import Trend, theil_sen

MEMORY = ("resources", "service", "memory")
COOLDOWN = ("resources", "cooldown")
MIN_FILES, MIN_THREADS = 10, 5
STEADY = 0.7  # of the growth before: a pool of threads, a cache or a heap fills early
LONGER = "repeat with a run of some minutes: a heap that warms up stops growing, a leak does not"
# Their collectors let a heap grow to a multiple of its live size before they release memory.
LAZY_HEAPS = {"javascript", "jvm", "go", "dotnet"}
SURE_S = 300.0  # of load; Go collects every 2 minutes at least, others when the heap is full
GREW_MUCH = 0.2  # of the growth of the line that grew most
MOST_AT_ONCE = 0.5  # of the growth between two samples
EXECUTORS = 3  # times the users: an executor needs no more threads than requests at a time
MIN_SAMPLES = 16  # whose second half still makes a trend


@cause(
    title="the service's memory grows and is not released",
    topics=("growth",),
    explains=("service_restarted", "slowing_down"),
    warns_from=0.85,
    charts=("memory", "cooldown"),
    advice=(
        "look at lists, maps and caches that live as long as the process and have no size limit",
        "until it is found, restart workers after a number of requests",
    ),
)
def memory_leak(result: ResultView) -> Evidence | None:
    """Detect memory that still grows in the second half and is not released in the cooldown.

    The interval of the trend must exclude zero (`straingauge.statistics.trend`). A cache that fills
    up stops growing before the second half; garbage is collected during the cooldown. A leak grows
    with the requests, as fast at the end as at the start: growth that slows down may be a heap that
    warms up, as of Node.js or Java, which collect garbage only once a heap is large.
    """
    if not result.at(*MEMORY, "still_growing"):
        return None
    growth_mb = result.figure(*MEMORY, "growth_mb")
    later_mb = result.figure(*MEMORY, "later_trend_mb_per_200_requests", "slope")
    low_mb = result.figure(*MEMORY, "later_trend_mb_per_200_requests", "low")
    evidence = [
        f"memory grew by {plain(growth_mb, 3)} MB in {count(result.requests, 'request')}; in the"
        f" second half by {plain(later_mb, 3)} MB per 200 requests (at least {plain(low_mb, 3)})"
    ]
    where = _growing_lines(result)
    if where:
        rate = result.rows("memory", "lines")[0]["bytes_per_request"]
        evidence.append(
            f"{plain(rate / 1000, 3)} kB per request are kept at {where[0].file}:{where[0].line}"
            " in a second instance"
        )
    final_mb, initial_mb = (
        result.number(*COOLDOWN, "memory_mb"),
        result.number(*MEMORY, "initial_mb"),
    )
    if final_mb is None or initial_mb is None:
        return Evidence(0.65, (*evidence, "not measured during the cooldown"), where=where)
    slope_mb = result.figure(*MEMORY, "trend_mb_per_200_requests", "slope")
    if later_mb < STEADY * slope_mb:
        evidence.append(
            f"it slowed down: {plain(slope_mb, 3)} MB per 200 requests over the whole run"
        )
        return Evidence(0.5, tuple(evidence), (LONGER,), where)
    language = result.at("resources", "service", "runtime", "language")
    if language in LAZY_HEAPS and result.duration_s < SURE_S:
        evidence.append(f"a heap of {language} may grow for minutes before garbage is collected")
        return Evidence(0.5, tuple(evidence), (LONGER,), where)
    kept_mb = final_mb - initial_mb
    evidence.append(f"{plain(kept_mb, 3)} MB of it remained after the cooldown")
    return Evidence(0.9 if kept_mb >= 0.6 * growth_mb else 0.35, tuple(evidence), where=where)


@cause(
    title="the service opens files or sockets and does not close them",
    topics=("growth", "errors"),
    explains=("connection_resets", "endpoint_errors", "memory_leak", "unreachable"),
    warns_from=0.85,
    charts=("handles", "cooldown"),
    advice=(
        "list the open files (`ls -l /proc/PID/fd`, lsof), and close each in a `with` on every"
        " path",
        '`ulimit -n` is the end of it: "Too many open files" for every request',
    ),
)
def file_leak(result: ResultView) -> Evidence | None:
    """Detect open files and sockets that rise in the second half and stay open in the cooldown.

    Connections of clients and of the pool are opened early in a load; what still rises at its end
    is opened by requests and forgotten. Clients may keep their connections during the cooldown, so
    only growth beyond them counts: that of the second half, by its trend.
    """
    pool = result.figure("resources", "pool", "peak_in_use")
    found = _never_released(result, "open_files", "open files and sockets", MIN_FILES + pool)
    return found and replace(found, where=remaining_files(result))


@cause(
    title="the service starts threads that never end",
    topics=("growth", "errors"),
    explains=("cpu_bound", "memory_leak"),
    warns_from=0.85,
    charts=("handles", "cooldown"),
    advice=(
        "list them (/proc/PID/task, `top -H -p PID`), and give the work to an executor of a fixed"
        " size that is shut down with the service",
        "each takes a stack, and the process limit is the end of it: no thread can be started",
    ),
)
def thread_leak(result: ResultView) -> Evidence | None:
    """Detect threads that rise in the second half and are alive in the cooldown.

    Executors start a thread when none is idle, so they grow with the load and then stop. Ten more
    threads are none of these; fewer, if they rise as in the first half.
    """
    steady = _never_released(result, "threads", "threads", MIN_THREADS)
    found = [each for each in (steady, _more_than_in_flight(result)) if each is not None]
    best = max(found, key=lambda evidence: evidence.confidence, default=None)
    if best is None:
        return None
    sentences, created = _created_threads(result)
    where: tuple[Location, ...] = (
        *created,
        *waiting_threads(result),
        *remaining_threads(result),
    )
    return replace(best, sentences=(*best.sentences, *sentences), where=where)


def _growing_lines(result: ResultView) -> tuple[CodeLocation, ...]:
    """Return the lines whose memory grew in a second instance, without those that grew little."""
    return tuple(map(_code, _growing_most(result.rows("memory", "lines"), "bytes_per_request")))


def _created_threads(result: ResultView) -> tuple[tuple[str, ...], tuple[CodeLocation, ...]]:
    """Return what a second instance shows: the lines whose threads do not end, and a sentence."""
    rows = _growing_most(result.rows("memory", "threads"), "grown_threads")
    if not rows:
        return (), ()
    most = rows[0]
    sentence = (
        f"{number(most, 'threads_per_request'):.2g} threads per request are created at"
        f" {most.get('file')}:{most.get('line')} and do not end in a second instance: they run"
        f" {most.get('target')}"
    )
    return (sentence,), tuple(map(_code, rows))


def _growing_most(rows: list[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    """Return the rows, the first of which grew most, without those that grew little."""
    least = GREW_MUCH * (number(rows[0], key) or 0.0) if rows else 0.0
    return [row for row in rows if (number(row, key) or 0.0) >= least]


def _code(row: Mapping[str, Any]) -> CodeLocation:
    return CodeLocation(str(row.get("file")), int(row.get("line", 0)))


def _more_than_in_flight(result: ResultView) -> Evidence | None:
    """Return evidence of threads that no executor can need, for runs too short for a trend.

    An executor starts a thread if none is idle, so that it has at most as many as requests were in
    flight. Libraries for numbers start one for each core, but all at once. Executors of Java start
    up to their core size in any case.
    """
    users = result.number("configuration", "users")
    samples = result.samples("threads")
    remaining = result.number(*COOLDOWN, "threads")
    if not users or not samples or remaining is None:
        return None
    growth = remaining - samples[0][1]
    counts = [value for _, value in samples]
    largest = max((now - before for before, now in pairwise(counts)), default=0.0)
    if growth < max(EXECUTORS * users, 2 * MIN_THREADS) or largest > MOST_AT_ONCE * growth:
        return None
    evidence = (
        f"{count(growth, 'more thread')} than before the load remained after the cooldown, with at"
        f" most {count(users, 'request')} at a time",
    )
    is_python = result.at("resources", "service", "runtime", "language") == "python"
    return Evidence(0.87 if is_python else 0.6, evidence)


def samples_of_load(result: ResultView, resource: str) -> list[tuple[float, float]]:
    """Return the samples until the end of the load.

    By the last ones the clients have gone, and their sockets with them.
    """
    ended_s = result.figure("metrics", "duration_s")
    return [each for each in result.samples(resource) if each[0] <= ended_s]


def _never_released(result: ResultView, resource: str, words: str, least: float) -> Evidence | None:
    """Return evidence that requests keep at least this much of a resource."""
    samples = samples_of_load(result, resource)
    later = samples[len(samples) // 2 :]
    trend = _trend(later) if len(samples) >= MIN_SAMPLES else None
    if trend is None or not trend.rises:
        return None
    growth = trend.slope * (later[-1][0] - later[0][0])
    if growth < least:
        return None
    before = later[0][1] - samples[0][1]
    if growth < 2 * least and growth < STEADY * before:
        return None
    evidence = [
        f"{words} rose from {samples[0][1]:,.0f} to {max(n for _, n in samples):,.0f}, by"
        f" {growth:,.0f} in the second half of the load"
    ]
    final = result.number(*COOLDOWN, resource)
    if final is None:
        return Evidence(0.6, (*evidence, "not measured during the cooldown"))
    evidence.append(f"{final:,.0f} remained after the cooldown")
    return Evidence(0.9 if final >= samples[0][1] + growth else 0.35, tuple(evidence))


def _trend(points: list[tuple[float, float]]) -> Trend | None:
    return theil_sen([t_s for t_s, _ in points], [value for _, value in points])
