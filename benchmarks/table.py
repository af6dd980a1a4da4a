"""Tables of the results on a terminal."""

from cases import Limit, Ratio
from results import MISSED, NO_VALUE, OK, SKIPPED, CaseResult
from rich import box
from rich.console import Console
from rich.table import Table

COLOURS = {OK: "green", MISSED: "bold red", NO_VALUE: "bold red", SKIPPED: "yellow"}
DISTURBED_CORES = 0.1


def show(console: Console, result: CaseResult) -> None:
    """Print a case: the generators with their rates, then the requirements for ours."""
    console.print(f"\n[bold]{result.case.title}[/bold]", highlight=False)
    if any("rate_rps" in each for rounds in result.rounds.values() for each in rounds):
        console.print(_rates(result))
    limits = [each for each in result.case.required if isinstance(each, Limit)]
    if limits:
        console.print(_limits(result, limits))
    for name, reason in result.failed.items():
        console.print(
            f"{name} could not be measured: {reason}", style="red", markup=False, highlight=False
        )
    for name, reason in result.skipped.items():
        console.print(f"{name} is skipped: {reason}", style="yellow", markup=False, highlight=False)
    others = result.median(result.case.ours, "others_cores") or 0
    if others > DISTURBED_CORES:
        console.print(
            f"disturbed: other processes used {others:.0%} of a core during the measurement",
            style="yellow",
        )


def _rates(result: CaseResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("generator")
    for title in ("requests/s", "us CPU each", "target busy", "by CPU", "ratio", "required"):
        table.add_column(title, justify="right")
    table.add_column("")
    required = {each.peer: each for each in result.case.required if isinstance(each, Ratio)}
    has_dropped = any(result.median(name, "dropped_percent") is not None for name in result.rounds)
    if has_dropped:
        table.add_column("dropped", justify="right")
    for name in result.case.measurements:
        row = [
            name,
            _number(result.median(name, "rate_rps"), ",.0f"),
            _number(result.median(name, "cpu_us"), ".1f"),
            _number(result.median(name, "target_cores"), ".0%"),
        ]
        requirement = required.get(name)
        if requirement is None:
            row += ["", "", "", ""]
        else:
            verdict = result.verdict(requirement)
            least = "" if requirement.at_least is None else f">= {requirement.at_least:g}"
            row += [
                _number(_by_cpu(result, name), ".2f"),
                _number(result.value(requirement), ".2f"),
                least,
                _coloured(verdict),
            ]
        if has_dropped:
            row.append(_number(result.median(name, "dropped_percent"), ".2f", " %"))
        table.add_row(*row)
    return table


def _by_cpu(result: CaseResult, peer: str) -> float | None:
    """Return the ratio of CPU time per request, the peer's to ours; it varies less than rates."""
    ours, theirs = result.median(result.case.ours, "cpu_us"), result.median(peer, "cpu_us")
    return theirs / ours if ours and theirs else None


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
            _measured(result.value(limit)),
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
