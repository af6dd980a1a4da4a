"""What a run found, for people at a terminal; from its result alone."""

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from straingauge.diagnose import broke_first, overall

Result = Mapping[str, Any]

_COLOURS = {
    "target": "green",
    "acceptable": "green",
    "warning": "yellow",
    "critical": "bold red",
    "no_data": "bold red",
    "invalid": "bold magenta",
    "not judged": "magenta",
}
_REMARKED = ("warning", "critical", "no_data")
WIDE = 120  # columns, from which the table has room for what decided each verdict
SURE_ENOUGH = 0.5  # to be shown though nothing failed
WORTH_SHOWING = 0.3
EVIDENCE, ADVICE, OTHERS = 3, 3, 3  # sentences, sentences, and causes after the first
_NUMBERS = ("requests", "req/s", "errors", "p50 ms", "p95 ms", "p99 ms")


def verdict_table(
    results: Sequence[tuple[Result, Path | None]], *, width: int, colour: bool
) -> str:
    """All runs, one row each; every warning and note; where the files are; what broke, and why.

    Args:
        results: Each with its file, None where there is none.
        width: Of the terminal, in columns.
        colour: Whether it shows any.
    """
    console = Console(
        file=StringIO(), width=width, force_terminal=colour, color_system="auto" if colour else None
    )
    console.print(_table((result for result, _ in results), wide=width >= WIDE))
    for line in _remarks(results):
        console.print(Text(line), soft_wrap=True)
    for line in diagnosis([result for result, _ in results]):
        console.print(Text(line), soft_wrap=True)
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


def diagnosis(results: Sequence[Result]) -> list[str]:
    """What broke first in a session, why, and what to change; nothing where all is well."""
    first, causes = broke_first(results), overall(results)
    # Without a warning only what needs no verdict is worth a line: a generator that was late.
    causes = causes if first else [cause for cause in causes if cause["confidence"] >= SURE_ENOUGH]
    if not first and not causes:
        return []
    lines = [""]
    if first:
        when = "" if first.at_s is None else f", {first.at_s:.0f} s after its start"
        lines.append(f"What broke first: {first.message} ({first.test}{when})")
    if not causes:
        return [*lines, "Why: no rule accounts for it; look into the service's log at that time"]
    # The surest of the causes that the test which broke first shows; it need not be the very first.
    shown = (cause for cause in causes if first and first.test in cause["tests"])
    why = next(shown, causes[0])
    others = [cause for cause in causes if cause is not why]
    new = [each for each in why["evidence"] if first is None or each != first.message]
    lines.append(": ".join(filter(None, ("Why", _named(why), "; ".join(new[:EVIDENCE])))))
    lines.append(f"What to change: {'; '.join(why['advice'][:ADVICE])}")
    others = [cause for cause in others if cause["confidence"] >= WORTH_SHOWING]
    lines += [f"Also: {_named(cause)}: {cause['evidence'][0]}" for cause in others[:OTHERS]]
    if len(others) > OTHERS:
        lines.append(f"and {len(others) - OTHERS} more in the result files, under diagnosis")
    return lines


def summary_line(result: Result) -> str:
    """A run's figures in one line."""
    metrics = result["metrics"]
    return (
        f"{result['name']}: {metrics['total_requests']} requests, "
        f"{metrics['throughput_rps']:.0f}/s, {metrics['error_rate_percent']:.2f} % errors, "
        f"p95 {in_ms(metrics['latency_ms']['p95'])} ms"
    )


def invalid_reason(result: Result) -> str:
    """Why nothing may be concluded from this run."""
    return "INVALID: " + "; ".join(reason["message"] for reason in _invalidating(result))


def advice(result: Result) -> str | None:
    """What would make the run valid."""
    return "; ".join(r["advice"] for r in _invalidating(result) if r["advice"]) or None


def errors_seen(result: Result) -> list[str]:
    """The errors in words: how many of each kind, of which endpoint, and the first of them."""
    lines = []
    for endpoint, figures in result["endpoints"].items():
        errors = figures["errors"]
        for kind, count in errors["kinds"].items():
            details = (each["detail"] for each in errors["examples"] if each["kind"] == kind)
            lines.append(f"{endpoint}: {count} x {kind}, such as: {next(details, 'not kept')}")
    return lines


def grade(result: Result) -> str:
    """The verdict's grade, or "not judged"."""
    found = result.get("verdict", {}).get("grade")
    return str(found or "not judged")


def decided_by(result: Result) -> str:
    """What the verdict rests on: its worst entries, or that all demands are met."""
    if grade(result) == "invalid":
        return "; ".join(reason["reason"].replace("_", " ") for reason in _invalidating(result))
    entries = result.get("verdict", {}).get("entries", [])
    decisive = [entry for entry in entries if entry["grade"] == grade(result)]
    if grade(result) in ("target", "acceptable", "not judged"):
        return (
            f"{len(entries)} {'demand' if len(entries) == 1 else 'demands'} met" if entries else ""
        )
    return "; ".join(entry["message"] for entry in decisive)


def _table(results: Iterable[Result], *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("load test", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("decided by", overflow="fold")
    for result in results:
        metrics, latency = result["metrics"], result["metrics"]["latency_ms"]
        cells = [
            result["name"],
            Text(grade(result), style=_COLOURS[grade(result)]),
            str(metrics["total_requests"]),
            f"{metrics['throughput_rps']:.0f}",
            f"{metrics['error_rate_percent']:.2f}%",
            *(_percentile(latency, name) for name in ("p50", "p95", "p99")),
        ]
        table.add_row(*cells, *([Text(decided_by(result))] if wide else []))
    return table


def _remarks(results: Sequence[tuple[Result, Path | None]]) -> Iterable[str]:
    """What decided, warned or must be known, said once where runs share it; then the files."""
    remarks: dict[tuple[str, str], list[str]] = {}
    for result, _ in results:
        entries = result.get("verdict", {}).get("entries", [])
        for entry in entries if grade(result) != "invalid" else ():
            if entry["grade"] in _REMARKED:
                remarks.setdefault((entry["grade"], entry["message"]), []).append(result["name"])
        for line in errors_seen(result):
            remarks.setdefault(("errors", line), []).append(result["name"])
        for reason in result["validity"]["reasons"]:
            remark = (reason["severity"], reason["message"])
            remarks.setdefault(remark, []).append(result["name"])
    for (kind, message), names in remarks.items():
        who = "all" if len(names) == len(results) > 1 else ", ".join(names)
        yield f"{kind:<8} {who}: {message}"
    for result, path in results:
        yield f"result   {path or result['name'] + ': not written'}"


def _named(cause: Mapping[str, Any]) -> str:
    tests = ", ".join(cause["tests"])
    return f"{cause['title']} ({cause['confidence']:.0%} sure, in {tests})"


def _percentile(latency: Mapping[str, Any], name: str) -> str:
    """The value; with a tilde where the samples are too few to be sure of it."""
    value = latency[name]
    unsure = latency.get("confidence", {}).get(name, {}).get("low") is None
    return f"~{in_ms(value)}" if unsure and value is not None else in_ms(value)


def _invalidating(result: Result) -> list[Mapping[str, str]]:
    reasons: list[Mapping[str, str]] = result["validity"]["reasons"]
    return [reason for reason in reasons if reason["severity"] == "invalid"]


def in_ms(value: float | None) -> str:
    """Three figures are as many as a measurement has."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
