"""A comparison for people and for programs: terminal, Markdown, JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from io import StringIO
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from straingauge.compare.comparison import Comparison
from straingauge.compare.verdict import Change

_COLOURS: Final = {"better": "green", "same": "dim", "worse": "bold red", "cannot tell": "yellow"}
_ORDER: Final = ("worse", "better", "cannot tell", "same")
_HEADINGS: Final = ("", "old", "new", "change", "interval", "verdict")
_WHOLE: Final = "whole run"


def table(comparison: Comparison, *, width: int, colour: bool) -> str:
    """All changes, one row each, by endpoint; then the warnings and what it comes to.

    Args:
        comparison: What came out.
        width: Of the terminal, in columns.
        colour: Whether it shows any.
    """
    console = Console(
        file=StringIO(), width=width, force_terminal=colour, color_system="auto" if colour else None
    )
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name in _HEADINGS:
        figure = name in _HEADINGS[1:5]
        shown.add_column(name, justify="right" if figure else "left", no_wrap=figure)
    last: str | None = None
    for change in comparison.changes:
        if change.endpoint != last:
            last = change.endpoint
            shown.add_row(Text(last or _WHOLE, style="bold"))
        verdict = Text(change.verdict, style=_COLOURS[change.verdict])
        if change.reason:
            verdict.append(f" ({change.reason})", style="dim")
        shown.add_row(f"  {change.metric}", *_cells(change), verdict)
    console.print(shown)
    for line in (*_warnings(comparison), summary(comparison)):
        console.print(Text(line), soft_wrap=True)
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


def markdown(comparison: Comparison) -> str:
    """The same as a Markdown table: what changed first, what is the same folded away."""
    told = [change for change in comparison.changes if change.verdict in ("worse", "better")]
    rest = [change for change in comparison.changes if change not in told]
    lines = [f"### {comparison.name}: {summary(comparison)}", ""]
    lines += [f"> **warning** {_escaped(each)}" for each in comparison.warnings]
    lines += ["", *_rows(told)] if told else []
    if rest:
        lines += ["", f"<details><summary>{len(rest)} others</summary>", "", *_rows(rest)]
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """For programs, as JSON has it: each change with its verdict."""
    return {
        "name": comparison.name,
        "old": dict(comparison.old),
        "new": dict(comparison.new),
        "verdicts": {verdict: comparison.count(verdict) for verdict in _ORDER},
        "warnings": list(comparison.warnings),
        "changes": [{**asdict(change), "verdict": change.verdict} for change in comparison.changes],
    }


def summary(comparison: Comparison) -> str:
    """How many figures earned which verdict, and the worst of them."""
    counts = [f"{n} {verdict}" for verdict in _ORDER if (n := comparison.count(verdict))]
    worse = [change for change in comparison.changes if change.verdict == "worse"]
    line = ", ".join(counts) or "nothing to compare"
    if not worse:
        return line
    worst = max(worse, key=lambda change: abs(change.low or 0.0) / change.margin)
    return f"{line}; worst: {described(worst)}"


def described(change: Change) -> str:
    """One change in words."""
    what = f"{change.endpoint or _WHOLE} {change.metric}"
    old, new, moved, interval = _cells(change)
    return f"{what} {old} -> {new}, {moved} ({interval})"


def _rows(changes: Iterable[Change]) -> list[str]:
    lines = ["| figure | old | new | change | interval | verdict |", "|---|--:|--:|--:|--:|---|"]
    for change in changes:
        name = _escaped(f"{change.endpoint or _WHOLE} {change.metric}")
        strong = "**" if change.verdict == "worse" else ""
        cells = " | ".join(_cells(change))
        lines.append(f"| {name} | {cells} | {strong}{change.verdict}{strong} |")
    return lines


def _cells(change: Change) -> tuple[str, str, str, str]:
    """Old, new, change and interval."""
    interval = "-"
    if change.low is not None and change.high is not None:
        interval = f"{_signed(change.low)} to {_signed(change.high)}"
    moved = "-" if change.change is None else f"{_signed(change.change)} {change.unit}"
    return _figure(change.old), _figure(change.new), moved, interval


def _warnings(comparison: Comparison) -> list[str]:
    return [f"warning  {each}" for each in comparison.warnings]


def _figure(value: float | None) -> str:
    """Three figures are as many as a measurement has."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _signed(value: float) -> str:
    return f"{value:+.0f}" if abs(value) >= 100 else f"{value:+.1f}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
