"""The figures as tables on a terminal."""

from book import LEFT_OUT, NO_FIGURE, OK, SHORT, Page
from cases import Limit, Ratio
from rich import box
from rich.console import Console
from rich.table import Table

COLOURS = {OK: "green", SHORT: "bold red", NO_FIGURE: "bold red", LEFT_OUT: "yellow"}
DISTURBED_CORES = 0.1


def show(console: Console, page: Page) -> None:
    """Print a case: the generators with their rates, then what is required of ours."""
    console.print(f"\n[bold]{page.case.title}[/bold]", highlight=False)
    if any("rate_rps" in each for rounds in page.rounds.values() for each in rounds):
        console.print(_rates(page))
    limits = [each for each in page.case.required if isinstance(each, Limit)]
    if limits:
        console.print(_limits(page, limits))
    for name, why in page.failed.items():
        console.print(f"{name} has no figure: {why}", style="red", markup=False, highlight=False)
    for name, why in page.missing.items():
        console.print(f"{name} is left out: {why}", style="yellow", markup=False, highlight=False)
    others = page.median(page.case.ours, "others_cores") or 0
    if others > DISTURBED_CORES:
        console.print(
            f"disturbed: other processes used {others:.0%} of a core meanwhile", style="yellow"
        )


def _rates(page: Page) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("generator")
    for title in ("requests/s", "us CPU each", "target busy", "by CPU", "ratio", "required"):
        table.add_column(title, justify="right")
    table.add_column("")
    required = {each.peer: each for each in page.case.required if isinstance(each, Ratio)}
    has_dropped = any(page.median(name, "dropped_percent") is not None for name in page.rounds)
    if has_dropped:
        table.add_column("dropped", justify="right")
    for name in page.case.takers:
        row = [
            name,
            _number(page.median(name, "rate_rps"), ",.0f"),
            _number(page.median(name, "cpu_us"), ".1f"),
            _number(page.median(name, "target_cores"), ".0%"),
        ]
        bound = required.get(name)
        if bound is None:
            row += ["", "", "", ""]
        else:
            verdict = page.verdict(bound)
            least = "" if bound.at_least is None else f">= {bound.at_least:g}"
            row += [
                _number(_by_cpu(page, name), ".2f"),
                _number(page.value(bound), ".2f"),
                least,
                _coloured(verdict),
            ]
        if has_dropped:
            row.append(_number(page.median(name, "dropped_percent"), ".2f", " %"))
        table.add_row(*row)
    return table


def _by_cpu(page: Page, peer: str) -> float | None:
    """The peer's CPU time for a request by ours: steadier than the ratio of rates."""
    ours, theirs = page.median(page.case.ours, "cpu_us"), page.median(peer, "cpu_us")
    return theirs / ours if ours and theirs else None


def _limits(page: Page, limits: list[Limit]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"of {page.case.ours}")
    for title in ("measured", "required"):
        table.add_column(title, justify="right")
    table.add_column("")
    for limit in limits:
        required = "<=" if limit.at_most is not None else ">="
        bound = limit.at_least if limit.at_most is None else limit.at_most
        table.add_row(
            limit.what,
            _measured(page.value(limit)),
            f"{required} {bound:,g}",
            _coloured(page.verdict(limit)),
        )
    return table


def _measured(value: float | None) -> str:
    return _number(value, ",.0f" if value and value >= 1000 else ".4g")


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"


def _coloured(verdict: str) -> str:
    colour = COLOURS.get(verdict)
    return f"[{colour}]{verdict}[/{colour}]" if colour else verdict
