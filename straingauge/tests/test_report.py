from pathlib import Path
from typing import Any

import pytest
from straingauge.number_text import rate
from straingauge.report import advice, invalid_reason, summary_line, verdict_table
from straingauge.report.markdown import markdown
from straingauge.report.terminal import render, table


def result(name: str = "health", **changes: Any) -> dict[str, Any]:  # noqa: ANN401  parts of one
    """Return a result as it is in its file."""
    metrics = {
        "total_requests": 450,
        "throughput_rps": 123.4,
        "error_rate_percent": 0.5,
        "latency_ms": {"p50": 1.234, "p95": 56.78, "p99": None},
    }
    entry = {"rule": "p95_ms", "grade": "warning", "message": "p95 56 ms, warning from 50 ms"}
    return {
        "name": name,
        "metrics": metrics,
        "endpoints": {},
        "verdict": {"grade": "warning", "findings": [entry]},
        "validity": {"reasons": []},
        **changes,
    }


def test_the_table_has_a_row_per_run():
    """Each run has its verdict, metrics, deciding threshold and file."""
    file = Path("results/health_20241217_120530.json")
    shown = verdict_table([(result(), file), (result("pool"), None)], width=160, colour=False)
    row = next(line for line in shown.splitlines() if line.startswith("health "))
    for part in ("warning", "450", "123", "0.50%", "~1.23", "~56.8", "-", "p95 56 ms"):
        assert part in row
    assert str(file) in shown
    assert "pool: not written" in shown


@pytest.mark.parametrize("width", [20, 40, 60, 77, 80, 120, 200])
def test_no_number_or_heading_is_cut(width: int):
    """Numbers and headings are whole at any width; a row without room takes several lines."""
    found = [result("concurrent_health_checks"), result("b")]
    shown = verdict_table([(each, None) for each in found], width=width, colour=False)
    table = shown.partition("\nwarning ")[0]
    words = {word.strip(",") for word in table.split()}
    assert words >= {"concurrent_health_checks", "warning", "450", "123", "0.50%", "~1.23", "~56.8"}
    assert words >= {"verdict", "requests", "req/s", "errors", "p50", "p95", "p99", "ms"}
    assert all(len(line) <= max(width, len(found[0]["name"])) for line in table.splitlines())


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_words_are_broken_only_where_they_are_long(width: int):
    """Columns of words share the room that numbers leave, and break no word of 20 characters."""
    made = table("metric", "old", "verdict", "reason", numbers=("old",))
    made.add_row("response_time_p95_ms", "1,234", "worse (intervals overlap)", "few " * 30)
    made.add_row("a" * 21)
    shown = render([made], width=width, colour=False)
    assert {"response_time_p95_ms", "1,234", "few", "overlap)"} <= set(
        shown.replace(",\n", "\n").split()
    )


@pytest.mark.parametrize(
    ("per_second", "shown"), [(0, "0/s"), (8.35, "8.35/s"), (14.29, "14.3/s"), (1234.5, "1,234/s")]
)
def test_a_rate_has_three_digits(per_second: float, shown: str):
    """A rate has three significant digits, or all of its whole number."""
    assert rate(per_second) == shown
    metrics = {**result()["metrics"], "throughput_rps": per_second}
    found = result(metrics=metrics)
    cell = shown.removesuffix("/s")
    assert cell in verdict_table([(found, None)], width=160, colour=False).split()
    assert f"| {cell} |" in markdown([found])
    assert shown in summary_line(found)


def test_names_are_shown_as_they_are():
    """Brackets and colons of names are no markup of the terminal."""
    names = ["get[/orders]", "get[bold]x", "[/]", "a :smile: b"]
    shown = verdict_table([(result(name), None) for name in names], width=160, colour=False)
    for name in names:
        assert any(line.startswith(f"{name} ") for line in shown.splitlines())


def test_warnings_and_notes_are_shown_once():
    """A warning or note that all runs share is shown once."""
    note = {"severity": "note", "reason": "idle", "message": "8 processes are idle", "advice": ""}
    changes = {"validity": {"reasons": [note]}}
    results = [(result(name, **changes), None) for name in ("health", "pool")]
    shown = verdict_table(results, width=160, colour=False)
    assert shown.count("8 processes are idle") == 1
    assert "note     all: 8 processes are idle" in shown
    assert "warning  all: p95 56 ms, warning from 50 ms" in shown


def test_errors_are_shown_with_their_first_example():
    """Each kind of error is shown once, with count, endpoint and example."""
    example = {"kind": "bad_status", "detail": "status 422, expected 202"}
    errors = {"kinds": {"bad_status": 30}, "examples": [example, example]}
    found = result(endpoints={"POST /upload": {"errors": errors}})
    shown = verdict_table([(found, None)], width=160, colour=False)
    line = "POST /upload: 30 x bad_status, e.g. status 422, expected 202"
    assert f"errors   health: {line}" in shown


def test_an_invalid_run_shows_reason_and_advice():
    """An invalid run shows its reasons and the advice."""
    reason = {"severity": "invalid", "reason": "no_data", "message": "nothing", "advice": "look"}
    verdict = {"grade": "invalid", "findings": []}
    found = result(verdict=verdict, validity={"reasons": [reason]})
    shown = verdict_table([(found, None), (found, None)], width=160, colour=False)
    assert shown.count("fix      health, health: look") == 1
    assert invalid_reason(found) == "INVALID: nothing"
    assert advice(found) == "look"
    assert "no data" in verdict_table([(found, None)], width=160, colour=False)


def test_summary_line():
    """The metrics of a run fit one line."""
    assert summary_line(result()) == "health: 450 requests, 123/s, 0.50% errors, p95 56.8 ms"
