"""What load tests found, as Markdown: for a pull request's summary, from their results alone."""

import re
from collections.abc import Iterator, Sequence

from straingauge.report.text import (
    Result,
    decided_by,
    diagnosis,
    grade,
    percentile,
    remarks,
)

_ICONS = {"target": "✅", "acceptable": "✅", "warning": "⚠️", "critical": "❌", "no_data": "❌"}
_COLUMNS = ("load test", "verdict", "requests", "req/s", "errors", "p50 ms", "p95 ms", "p99 ms")
_OPENING = re.compile(r"(What broke first|Why|What to change|Also):")
# What Markdown or HTML would take for its own, a service may have put into an error's text.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")


def markdown(results: Sequence[Result]) -> str:
    """The verdict table, what broke and why, and all remarks."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Sequence[Result]) -> Iterator[str]:
    yield "## Load tests"
    yield ""
    yield f"| {' | '.join((*_COLUMNS, 'decided by'))} |"
    yield f"|---|---|{'--:|' * (len(_COLUMNS) - 2)}---|"
    for result in results:
        yield f"| {' | '.join(_cells(result))} |"
    explained = [line for line in diagnosis(results) if line]
    if explained:
        yield "\n### Diagnosis\n"
        yield from (f"- {_told(line)}" for line in explained)
    noted = [*remarks(results)]
    if noted:
        yield f"\n<details><summary>Remarks ({len(noted)})</summary>\n"
        yield from (f"- **{each.kind}** {plain(f'{each.tests}: {each.message}')}" for each in noted)
        yield "\n</details>"


def _cells(result: Result) -> list[str]:
    metrics, earned = result["metrics"], grade(result)
    latency = metrics["latency_ms"]
    return [
        plain(result["name"]),
        f"{_ICONS.get(earned, '🚫')} {earned.replace('_', ' ')}",
        f"{metrics['total_requests']:,}",
        f"{metrics['throughput_rps']:,.0f}",
        f"{metrics['error_rate_percent']:.2f} %",
        *(plain(percentile(latency, name)) for name in ("p50", "p95", "p99")),
        plain(decided_by(result, most=2)),
    ]


def _told(line: str) -> str:
    return _OPENING.sub(r"**\1:**", plain(line), count=1)


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
