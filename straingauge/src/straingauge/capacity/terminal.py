"""A search for capacity for a terminal: a chart of all levels, and a summary."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from straingauge.line_wrap import wrapped
from straingauge.number_text import count, number, percent, plain, rate, share
from straingauge.report.locations import place
from straingauge.report.terminal import bar, labelled

Document = Mapping[str, Any]

_BAR_WIDTHS: Final = (6, 28)  # least and most
_LOAD, _RATE, _P95 = 12, 10, 10  # columns of the numbers, each with a space before it
_MARKS: Final = "capacity, knee, failed"
_CAUSES: Final = 2


def level_line(level: Mapping[str, Any], unit: str) -> str:
    """A level, once it has run."""
    outcome = "passed" if level["passed"] else f"failed: {_first(level['reasons'])}"
    if level["passed"] and level["inconclusive"]:
        outcome = f"inconclusive: {level['inconclusive']}"
    load, reached = load_text(level["level"], unit), rate(level["throughput_rps"])
    p95 = number(level["p95_ms"], "ms")
    return f"{level['phase']:<12} {load:<12} {reached:>9}  p95 {p95}  {outcome}"


def chart(found: Document, width: int = 120) -> str:
    """Throughput and p95 of all levels as bars, by load; the mean where a level was repeated.

    Args:
        found: The search.
        width: Of the terminal, in columns; without room for bars there are numbers only.
    """
    rows = list(_rows(found["levels"]))
    if not rows:
        return ""
    most_rps = max(row[1] for row in rows) or 1.0
    most_ms = max(row[2] or 0.0 for row in rows) or 1.0
    room = (width - _LOAD - _RATE - _P95 - len(_MARKS) - 6) // 2
    least, most = _BAR_WIDTHS
    columns = min(most, room) if room >= least else 0
    head = f"{'load':<{_LOAD}}  {'throughput':<{columns + _RATE}}  {'p95':<{columns + _P95}}"
    lines = [head.rstrip()]
    for level, rps, p95_ms, passed in rows:
        marks = [
            word
            for word, here in (
                ("capacity", level == found["capacity"]),
                ("knee", level == found["knee"]),
                ("failed", not passed),
            )
            if here
        ]
        first, second = (
            bar(share_of, columns) for share_of in (rps / most_rps, (p95_ms or 0.0) / most_ms)
        )
        cells = f"{first}{rate(rps):>{_RATE}}  {second}{number(p95_ms, 'ms'):>{_P95}}"
        load = load_text(level, found["unit"])
        lines.append(f"{load:<{_LOAD}}  {cells}  {', '.join(marks)}".rstrip())
    return "\n".join(lines) + "\n"


def summary(found: Document, width: int | None = None) -> str:
    """The capacity, the knee, the limit with its cause, and the fitted law.

    Args:
        found: The search.
        width: Lines are wrapped at this column; None: each stays one line.
    """
    lines = [labelled(*row) for row in summary_rows(found)]
    return "".join(f"{wrapped(line, width) if width else line}\n" for line in lines)


def summary_rows(found: Document) -> Iterator[tuple[str, str]]:
    """The summary as pairs of label and text."""
    unit = found["unit"]
    if found["stopped_early"]:
        yield "stopped", found["stopped_early"]
    yield "capacity", capacity_text(found)
    if found["knee"] is not None:
        yield "knee", f"{load_text(found['knee'], unit)}: above it, load mostly adds latency"
    yield from _limit(found)
    problems = {
        what: message
        for level in found["levels"]
        for what, message in level["load_independent"].items()
    }
    for what, message in problems.items():
        yield "note", f"at any load: {what}: {message}"
    if found["usl"]:
        yield "USL:", _usl(found["usl"])


def capacity_text(found: Document) -> str:
    """The capacity with what confirms it, or why there is none."""
    unit = found["unit"]
    if found["capacity"] is not None:
        least = "at least " if found["is_lower_bound"] else ""
        runs = found["confirmations"] + 1
        lowest = min(
            level["throughput_rps"]
            for level in found["levels"]
            if level["level"] == found["capacity"] and level["passed"]
        )
        asked = f"{least}{load_text(found['capacity'], unit)}, confirmed {runs}/{runs}"
        return f"{asked}, achieved {rate(lowest)}"
    if found["highest_passed"] is not None:
        return f"unknown: {load_text(found['highest_passed'], unit)} passed, but was not confirmed"
    return "none: the lowest level failed"


def load_text(level: float, unit: str) -> str:
    """A level with its unit: 1,480/s or 40 users."""
    return f"{plain(level)}{unit}" if unit.startswith("/") else f"{plain(level)} {unit}"


def _limit(found: Document) -> Iterator[tuple[str, str]]:
    limit = found["limit"]
    if limit is None:
        return
    what = limit["first_failure"]["message"] if limit["first_failure"] else _first(limit["reasons"])
    yield "limit", f"at {load_text(limit['level'], found['unit'])}: {what}"
    for cause in limit["diagnosis"][:_CAUSES]:
        evidence = _first(cause["evidence"])
        yield "why", f"{cause['title']} ({share(cause['confidence'])} sure): {evidence}"
        yield from (("where", text) for each in cause.get("where", ())[:1] if (text := place(each)))
    if limit["diagnosis"]:
        yield "fix", _first(limit["diagnosis"][0]["advice"])


def _usl(usl: Mapping[str, Any]) -> str:
    text = (
        f"lambda = {number(usl['lambda_rps'])}/s, sigma = {usl['contention']:.3g}, "
        f"kappa = {usl['coherency']:.2g}, error {percent(usl['error_percent'], 1)}"
    )
    if usl["peak_rps"] is None:
        return f"{text}; no peak predicted"
    spread = (
        f" ({number(usl['peak_low_rps'])} to {number(usl['peak_high_rps'])})"
        if usl["peak_low_rps"]
        else ""
    )
    in_flight = usl["peak_concurrency"]
    at = f" at {count(in_flight, 'request')} in flight" if in_flight else ""
    return f"{text}; peak {rate(usl['peak_rps'])}{spread}{at}"


def _rows(
    levels: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[float, float, float | None, bool]]:
    for level in sorted({each["level"] for each in levels}):
        same = [each for each in levels if each["level"] == level]
        p95s = [each["p95_ms"] for each in same if each["p95_ms"] is not None]
        yield (
            level,
            sum(each["throughput_rps"] for each in same) / len(same),
            sum(p95s) / len(p95s) if p95s else None,
            all(each["passed"] for each in same),
        )


def _first(sentences: Sequence[str]) -> str:
    return sentences[0] if sentences else "no reason was kept"
