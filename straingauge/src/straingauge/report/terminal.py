"""What a run found, for people at a terminal; from its result alone."""

from collections.abc import Iterable, Iterator
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from straingauge.report.text import (
    Found,
    Result,
    decided_by,
    diagnosis,
    grade,
    percentile,
    remarks,
)

_COLOURS = {
    "target": "green",
    "acceptable": "green",
    "warning": "yellow",
    "critical": "bold red",
    "no_data": "bold red",
    "invalid": "bold magenta",
    "not judged": "magenta",
}
WIDE = 120  # columns, from which the table has room for what decided each verdict
_NUMBERS = ("requests", "req/s", "errors", "p50 ms", "p95 ms", "p99 ms")


def verdict_table(results: Found, *, width: int, colour: bool) -> str:
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
    for line in _lines(results):
        console.print(Text(line), soft_wrap=True)
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


def _lines(results: Found) -> Iterator[str]:
    alone = [result for result, _ in results]
    for remark in remarks(alone):
        yield f"{remark.kind:<8} {remark.tests}: {remark.message}"
    for result, path in results:
        yield f"result   {path or result['name'] + ': not written'}"
    yield from diagnosis(alone)


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
            *(percentile(latency, name) for name in ("p50", "p95", "p99")),
        ]
        table.add_row(*cells, *([Text(decided_by(result))] if wide else []))
    return table
