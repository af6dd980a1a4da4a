"""A comparison as a terminal table, Markdown, or JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from rich.text import Text

from straingauge.compare.comparison import Comparison
from straingauge.compare.verdict import Change
from straingauge.number_text import count, number, signed
from straingauge.report.grades import look
from straingauge.report.markdown import folded, markdown_table, plain
from straingauge.report.terminal import labelled, render
from straingauge.report.terminal import table as terminal_table

_ORDER: Final = ("worse", "better", "inconclusive", "same")
_NUMBERS: Final = ("old", "new", "change", "interval")
_WHOLE: Final = "whole run"


def table(comparison: Comparison, *, width: int, colour: bool, wrap: bool = False) -> str:
    """Render all changes, one row each, by endpoint; then the warnings and a summary.

    Args:
        comparison: The changes.
        width: Of the terminal, in columns.
        colour: Whether the terminal shows colours.
        wrap: Wrap lines that are longer, between words.
    """
    made = terminal_table("", *_NUMBERS, "verdict", numbers=_NUMBERS)
    last: str | None = None
    for change in comparison.changes:
        if change.endpoint != last:
            last = change.endpoint
            made.add_row(Text(last or _WHOLE, style="bold"))
        verdict = Text(change.verdict, style=look(change.verdict).style)
        if change.reason:
            verdict.append(f" ({change.reason})", style="dim")
        made.add_row(f"  {change.metric}", *_cells(change), verdict)
    warnings = [labelled("warning", each) for each in comparison.warnings]
    lines = [*warnings, summary(comparison)]
    return render([made, *lines], width=width, colour=colour, wrap=wrap)


def markdown(comparison: Comparison) -> str:
    """Render changes for better or worse as a Markdown table, and fold away the others."""
    changed = [change for change in comparison.changes if change.verdict in ("worse", "better")]
    others = [change for change in comparison.changes if change not in changed]
    lines = [f"### {plain(comparison.name)}: {plain(summary(comparison))}", ""]
    lines += [f"> **warning** {plain(each)}" for each in comparison.warnings]
    lines += ["", *_rows(changed)] if changed else []
    lines += ["", *folded(count(len(others), "other"), _rows(others))] if others else []
    return "\n".join(lines) + "\n"


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Convert a comparison to JSON, each change with its verdict."""
    return {
        "name": comparison.name,
        "old": dict(comparison.old),
        "new": dict(comparison.new),
        "verdicts": {verdict: comparison.count(verdict) for verdict in _ORDER},
        "warnings": list(comparison.warnings),
        "changes": [{**asdict(change), "verdict": change.verdict} for change in comparison.changes],
    }


def summary(comparison: Comparison) -> str:
    """The number of changes with each verdict, and the worst change."""
    counts = [f"{n} {verdict}" for verdict in _ORDER if (n := comparison.count(verdict))]
    worse = [change for change in comparison.changes if change.verdict == "worse"]
    line = ", ".join(counts) or "nothing to compare"
    if not worse:
        return line
    worst = max(worse, key=lambda change: abs(change.low or 0.0) / change.margin)
    return f"{line}; worst: {change_text(worst)}"


def change_text(change: Change) -> str:
    """A change in one line."""
    old, new, moved, interval = _cells(change)
    return f"{_name(change)} {old} -> {new}, {moved} ({interval})"


def _name(change: Change) -> str:
    return f"{change.endpoint or _WHOLE} {change.metric}"


def _rows(changes: Iterable[Change]) -> list[str]:
    rows = []
    for change in changes:
        strong = "**" if change.verdict == "worse" else ""
        rows.append([plain(_name(change)), *_cells(change), f"{strong}{change.verdict}{strong}"])
    return markdown_table(("metric", *_NUMBERS, "verdict"), rows, numbers=_NUMBERS)


def _cells(change: Change) -> tuple[str, str, str, str]:
    """Old, new, change and interval."""
    interval = "-"
    if change.low is not None and change.high is not None:
        interval = f"{signed(change.low)} to {signed(change.high)}"
    moved = "-"
    if change.change is not None:
        moved = f"{signed(change.change)}{'%' if change.unit == '%' else f' {change.unit}'}"
    return number(change.old), number(change.new), moved, interval
