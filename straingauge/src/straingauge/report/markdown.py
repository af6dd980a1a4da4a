"""Results of runs as Markdown, such as for a pull request."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from straingauge.number_text import number, percent
from straingauge.report.grades import look
from straingauge.report.scenarios import scenario_lines
from straingauge.report.streams import stream_lines
from straingauge.report.text import (
    PERCENTILES,
    Result,
    decided_by,
    diagnosis,
    grade,
    percentile,
    remarks,
)
from straingauge.report.transactions import transaction_lines
from straingauge.report.websockets import websocket_lines

_NUMBERS: Final = ("requests", "req/s", "errors", *(f"{name} ms" for name in PERCENTILES))
_OPENING = re.compile(r"(What broke first|Missed first|Why|Where|Index|Fix|Also):")
# Characters that Markdown or HTML would interpret; the text of an error may have them.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")


def markdown(results: Sequence[Result]) -> str:
    """Render the verdict table, what broke and why, and all remarks."""
    return "\n".join(_lines(results)) + "\n"


def markdown_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()
) -> list[str]:
    """Lines of a table.

    Args:
        titles: Of the columns.
        rows: Their cells, as Markdown.
        numbers: Titles of columns that are aligned right.
    """
    rule = "|".join("--:" if title in numbers else "---" for title in titles)
    return [f"| {' | '.join(titles)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines that are hidden until the reader opens them."""
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>"]


def plain(text: str) -> str:
    """Text on one line, with what Markdown would interpret escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _lines(results: Sequence[Result]) -> Iterator[str]:
    yield "## Load tests"
    yield ""
    titles = ("load test", "verdict", *_NUMBERS, "decided by")
    yield from markdown_table(titles, [_cells(result) for result in results], numbers=_NUMBERS)
    streams = [line for result in results for line in stream_lines(result)]
    if streams:
        yield "\n### Streams\n"
        yield from (f"- {plain(line)}" for line in streams)
    parts = [(result["name"], each) for result in results for each in scenario_lines(result)]
    if parts:
        yield "\n### Scenarios\n"
        for name, (label, line) in parts:
            yield f"- {label} " + plain(f"{name}: {line}" if len(results) > 1 else line)
    timed = [(result["name"], line) for result in results for line in transaction_lines(result)]
    if timed:
        yield "\n### Transactions\n"
        yield from (
            "- " + plain(f"{name}: {line}" if len(results) > 1 else line) for name, line in timed
        )
    sockets = [line for result in results for line in websocket_lines(result)]
    if sockets:
        yield "\n### WebSockets\n"
        yield from (f"- {plain(line)}" for line in sockets)
    explained = [line for line in diagnosis(results) if line]
    if explained:
        yield "\n### Diagnosis\n"
        yield from ("- " + _OPENING.sub(r"**\1:**", plain(line), count=1) for line in explained)
    noted = [
        f"- **{each.kind}** {plain(f'{each.tests}: {each.message}')}" for each in remarks(results)
    ]
    if noted:
        yield ""
        yield from folded(f"Remarks ({len(noted)})", noted)


def _cells(result: Result) -> list[str]:
    metrics, earned = result["metrics"], grade(result)
    return [
        plain(result["name"]),
        f"{look(earned).icon} {earned.replace('_', ' ')}",
        f"{metrics['total_requests']:,}",
        number(metrics["throughput_rps"]),
        percent(metrics["error_rate_percent"]),
        *(plain(percentile(metrics["latency_ms"], name)) for name in PERCENTILES),
        plain(decided_by(result, most=2)),
    ]
