"""The lines of the service's code that its profile shows to run, to block or to wait."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from straingauge.diagnosis.location import CodeLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count

CodeView = Literal["running", "looping", "blocking", "occupying", "waiting"]
"""The views of a profile that may show a line.

- running: functions by CPU time;
- looping: functions by the CPU time of the threads that run an event loop;
- blocking: functions in which threads were while no request was answered, or else by snapshots;
- occupying: a function in which threads were in most snapshots, so that requests wait for it;
- waiting: functions by the number of waiting requests.
"""

MIN_SAMPLES: Final = 30  # a share of 20 % of fewer is within the precision of sampling (binomial)
MIN_SNAPSHOTS: Final = 5
MIN_STALLS: Final = 3
MIN_RUNNING: Final = 0.2  # of the CPU time: less of it explains no full CPU
MIN_SNAPSHOT_SHARE: Final = 0.1
MOST: Final = 0.5
LASTING: Final = " that did not move on"
AHEAD: Final = 3.0  # times the next function, where no function has most

_Function = tuple[str, str]  # file, name


@dataclass(frozen=True, slots=True)
class CodeEvidence:
    """A line of the service's own code, and what shows it.

    Attributes:
        location: The line.
        sentence: The evidence with its numbers.
    """

    location: CodeLocation
    sentence: str


def code_evidence(result: ResultView, views: Sequence[CodeView]) -> CodeEvidence | None:
    """Return the evidence of the first of these views that has any."""
    found = (_VIEWS[view](result) for view in views)
    return next((each for each in found if each is not None), None)


def busiest_function_share(result: ResultView) -> float:
    """Return the share of the CPU time that the busiest function of the service has by itself.

    0 without a profile, or if it has too few samples.
    """
    whole = result.figure("profile", "running_samples")
    functions = _functions(_rows(result, "running"), "own_samples")
    if whole < MIN_SAMPLES or not functions:
        return 0.0
    return functions.most_common(1)[0][1] / whole


def _running(result: ResultView) -> CodeEvidence | None:
    whole = result.figure("profile", "running_samples")
    return _busiest(_rows(result, "running"), whole, "the service")


def _looping(result: ResultView) -> CodeEvidence | None:
    """Return the function that keeps an event loop busy; work in other threads does not."""
    samples = {
        (process.get("pid"), str(thread.get("name"))): number(thread, "running_samples") or 0.0
        for process in result.rows("profile", "processes")
        for thread in ResultView(process).rows("threads")
        if thread.get("runs_loop")
    }
    rows = [
        row
        for row in _rows(result, "running")
        if (row.get("process"), str(row.get("thread"))) in samples
    ]
    return _busiest(rows, sum(samples.values()), "the event loop's thread")


def _busiest(rows: Sequence[Mapping[str, Any]], whole: float, of: str) -> CodeEvidence | None:
    functions = _functions(rows, "own_samples")
    if whole < MIN_SAMPLES or not functions:
        return None
    function, samples = functions.most_common(1)[0]
    if samples < MIN_RUNNING * whole:
        return None
    location = _heaviest_line(rows, function, "own_samples")
    return CodeEvidence(
        location, f"{samples / whole:.0%} of the CPU time of {of} is spent in {_at(location)}"
    )


def _blocking(result: ResultView) -> CodeEvidence | None:
    stalls = [
        (str(line.get("file")), str(line.get("function")), int(number(line, "line") or 0))
        for stall in result.rows("profile", "stalls")
        for line in _first(stall.get("lines"))
    ]
    by_function = Counter((file, function) for file, function, _ in stalls)
    if by_function:
        function, times = by_function.most_common(1)[0]
        if times >= MIN_STALLS and times > MOST * len(stalls):
            line = Counter(each[2] for each in stalls if each[:2] == function).most_common(1)[0][0]
            location = CodeLocation(function[0], line, function[1])
            return CodeEvidence(
                location,
                f"in {times} of {count(len(stalls), 'pause')} a thread was in {_at(location)}",
            )
    return _of_threads(result, MIN_SNAPSHOT_SHARE)


def _occupying(result: ResultView) -> CodeEvidence | None:
    return _of_threads(result, MOST)


def _of_threads(result: ResultView, least: float) -> CodeEvidence | None:
    """Return the function in which threads were in at least this share of the snapshots."""
    rows = _rows(result, "thread")
    functions = _snapshots(rows)
    taken = result.figure("profile", "snapshots", "count")
    function = _dominant(functions)
    if function is None or functions[function] < max(MIN_SNAPSHOTS, least * taken):
        return None
    location = _heaviest_line(rows, function, "own_samples")
    return CodeEvidence(
        location,
        f"in {functions[function]} of {taken:,.0f} snapshots a thread was in {_at(location)}",
    )


def _waiting(result: ResultView) -> CodeEvidence | None:
    tasks, threads = _rows(result, "task"), _rows(result, "thread")
    rows = [*tasks, *(each for each in threads if each.get("thread") != "MainThread")]
    lasting = _functions(rows, "lasting_samples")
    key = "lasting_samples" if lasting.total() >= MIN_SAMPLES else "own_samples"
    functions = _functions(rows, key)
    function = _dominant(functions)
    if function is None:
        return None
    taken = result.figure("profile", "snapshots", "count")
    instants = _snapshots(rows)[function]
    if instants < max(MIN_SNAPSHOTS, MIN_SNAPSHOT_SHARE * taken):
        return None
    location = _heaviest_line(rows, function, key)
    share = functions[function] / functions.total()
    return CodeEvidence(
        location,
        f"{share:.0%} of the requests{LASTING if key == 'lasting_samples' else ''} in {taken:,.0f}"
        f" snapshots waited in {_at(location)}",
    )


def _dominant(functions: Counter[_Function]) -> _Function | None:
    """Return the function that has most of a count, or far more than the next."""
    ordered = functions.most_common(2)
    if not ordered:
        return None
    (function, most), second = ordered[0], ordered[1][1] if len(ordered) > 1 else 0
    whole = functions.total()
    return function if most > MOST * whole or most >= AHEAD * max(second, 1) else None


def _rows(result: ResultView, state: str) -> list[Mapping[str, Any]]:
    return [row for row in result.rows("profile", "lines") if row.get("state") == state]


def _functions(rows: Iterable[Mapping[str, Any]], key: str) -> Counter[_Function]:
    found: Counter[_Function] = Counter()
    for row in rows:
        count = int(number(row, key) or 0)
        if count:
            found[str(row.get("file")), str(row.get("function"))] += count
    return found


def _snapshots(rows: Iterable[Mapping[str, Any]]) -> Counter[_Function]:
    """Return the snapshots of each function, which each of its lines has."""
    found: Counter[_Function] = Counter()
    for row in rows:
        function = str(row.get("file")), str(row.get("function"))
        found[function] = max(found[function], int(number(row, "snapshots") or 0))
    return +found


def _heaviest_line(
    rows: Iterable[Mapping[str, Any]], function: _Function, key: str
) -> CodeLocation:
    lines: Counter[int] = Counter()
    for row in rows:
        if (row.get("file"), row.get("function")) == function:
            lines[int(number(row, "line") or 0)] += int(number(row, key) or 0)
    return CodeLocation(function[0], lines.most_common(1)[0][0], function[1])


def _first(lines: object) -> list[Mapping[str, Any]]:
    return [lines[0]] if isinstance(lines, list) and lines and isinstance(lines[0], dict) else []


def _at(location: CodeLocation) -> str:
    return f"{location.function} ({location.file}:{location.line})"


_VIEWS: Final = {
    "running": _running,
    "looping": _looping,
    "blocking": _blocking,
    "occupying": _occupying,
    "waiting": _waiting,
}
