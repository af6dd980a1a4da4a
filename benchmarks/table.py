"""Tables of the results on a terminal."""

from case import CPU, RATE, Limit
from intervals import Interval
from results import MISSED, NO_VALUE, OK, SKIPPED, TOO_FEW, CaseResult
from rich import box
from rich.console import Console
from rich.table import Table

COLOURS = {
    OK: "green",
    MISSED: "bold red",
    NO_VALUE: "bold red",
    TOO_FEW: "bold red",
    SKIPPED: "yellow",
}
DISTURBED_CORES = 0.1


def show(console: Console, result: CaseResult) -> None:
    """Print a case: the generators with their rates, then the requirements for ours."""
    console.print(f"\n[bold]{result.case.title}[/bold]", highlight=False)
    if any("rate_rps" in each for rounds in result.rounds.values() for each in rounds):
        console.print(_rates(result))
    if result.case.limits:
        console.print(_limits(result, result.case.limits))
    for name, reason in result.failed.items():
        console.print(
            f"{name} could not be measured: {reason}", style="red", markup=False, highlight=False
        )
    for name, reason in result.skipped.items():
        console.print(f"{name} is skipped: {reason}", style="yellow", markup=False, highlight=False)
    if result.is_out_of_time:
        console.print("the time was up before all intervals were narrow", style="yellow")
    others = result.median(result.case.ours, "others_cores") or 0
    if others > DISTURBED_CORES:
        console.print(
            f"disturbed: other processes used {others:.0%} of a core during the measurement",
            style="yellow",
        )


def _rates(result: CaseResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("generator")
    titles = (
        f"{result.case.unit}/s",
        "us CPU",
        "target busy",
        "by rate",
        "by CPU",
        "required",
        "goal",
    )
    for title in titles:
        table.add_column(title, justify="right")
    has_dropped = any(result.median(name, "dropped_percent") is not None for name in result.rounds)
    if has_dropped:
        table.add_column("dropped", justify="right")
    ratios = {each.peer: each for each in result.case.ratios}
    for name in result.case.measurements:
        row = [
            name,
            _number(result.median(name, RATE), ",.0f"),
            _number(result.median(name, CPU), ".1f"),
            _number(result.median(name, "target_cores"), ".0%"),
        ]
        ratio = ratios.get(name)
        if ratio is None:
            row += ["", "", "", ""]
        else:
            row += [
                _interval(result.ratio(name, by)) if by in ratio.by else "" for by in (RATE, CPU)
            ]
            row += [
                _least(ratio.required, result.verdict(ratio)),
                _least(ratio.goal, result.goal_verdict(ratio)),
            ]
        if has_dropped:
            row.append(_number(result.median(name, "dropped_percent"), ".2f", " %"))
        table.add_row(*row)
    return table


def _interval(ratio: Interval | None) -> str:
    return "-" if ratio is None else str(ratio)


def _least(least: float | None, verdict: str) -> str:
    """Return a least ratio with its verdict."""
    return "" if least is None else f"{least:g} {_coloured(verdict)}"


def _limits(result: CaseResult, limits: list[Limit]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"of {result.case.ours}")
    for title in ("measured", "required"):
        table.add_column(title, justify="right")
    table.add_column("")
    for limit in limits:
        required = "<=" if limit.at_most is not None else ">="
        requirement = limit.at_least if limit.at_most is None else limit.at_most
        table.add_row(
            limit.what,
            _measured(result.median(result.case.ours, limit.metric)),
            f"{required} {requirement:,g}",
            _coloured(result.verdict(limit)),
        )
    return table


def _measured(value: float | None) -> str:
    return _number(value, ",.0f" if value and value >= 1000 else ".4g")


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"


def _coloured(verdict: str) -> str:
    colour = COLOURS.get(verdict)
    return f"[{colour}]{verdict}[/{colour}]" if colour else verdict
