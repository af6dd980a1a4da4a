"""Results of runs for a terminal: a row each, then remarks, files and the diagnosis."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.table import Table
from rich.text import Text

from straingauge.number_text import number, percent
from straingauge.report.grades import look
from straingauge.report.scenarios import scenario_lines
from straingauge.report.streams import stream_lines
from straingauge.report.terminal import labelled, render, table
from straingauge.report.text import (
    PERCENTILES,
    Found,
    Result,
    advice,
    decided_by,
    diagnosis,
    grade,
    percentile,
    remarks,
)
from straingauge.report.transactions import transaction_lines
from straingauge.report.websockets import websocket_lines

WIDE: Final = 120  # columns, from which there is room for what decided each verdict
_NUMBERS: Final = ("requests", "req/s", "errors", *(f"{name} ms" for name in PERCENTILES))


def verdict_table(results: Found, *, width: int, colour: bool, wrap: bool = False) -> str:
    """Render all runs, one row each; remarks; where the files are; the first failure and its cause.

    Args:
        results: Each with its file, None where there is none.
        width: Of the terminal, in columns.
        colour: Whether the terminal shows colours.
        wrap: Wrap lines that are longer, between words.
    """
    runs = _table((result for result, _ in results), wide=width >= WIDE)
    return render([runs, *_lines(results)], width=width, colour=colour, wrap=wrap)


def _lines(results: Found) -> Iterator[str]:
    alone = [result for result, _ in results]
    for result in alone:
        name = f"{result['name']}: " if len(alone) > 1 else ""
        for label, line in scenario_lines(result):
            yield labelled(label, f"{name}{line}")
        for line in transaction_lines(result):
            yield labelled("transaction", f"{name}{line}")
    for remark in remarks(alone):
        yield labelled(remark.kind.replace("_", " "), f"{remark.tests}: {remark.message}")
    for fix in dict.fromkeys(filter(None, map(advice, alone))):
        tests = ", ".join(result["name"] for result in alone if advice(result) == fix)
        yield labelled("fix", f"{tests}: {fix}")
    for result in alone:
        yield from (labelled("streams", line) for line in stream_lines(result))
        yield from (labelled("sockets", line) for line in websocket_lines(result))
    for result, path in results:
        yield labelled("result", path or f"{result['name']}: not written")
    yield from diagnosis(alone)


def _table(results: Iterable[Result], *, wide: bool) -> Table:
    titles = ("load test", "verdict", *_NUMBERS, *(("decided by",) if wide else ()))
    made = table(*titles, numbers=_NUMBERS, fixed=("load test", "verdict"))
    for result in results:
        metrics, latency = result["metrics"], result["metrics"]["latency_ms"]
        cells = [
            result["name"],
            Text(grade(result).replace("_", " "), style=look(grade(result)).style),
            f"{metrics['total_requests']:,}",
            number(metrics["throughput_rps"]),
            percent(metrics["error_rate_percent"]),
            *(percentile(latency, name) for name in PERCENTILES),
        ]
        made.add_row(*cells, *([Text(decided_by(result))] if wide else []))
    return made
