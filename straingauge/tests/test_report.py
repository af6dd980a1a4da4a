from pathlib import Path
from typing import Any

from straingauge.report import advice, invalid_reason, summary_line, verdict_table


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
    assert invalid_reason(found) == "INVALID: nothing"
    assert advice(found) == "look"
    assert "no data" in verdict_table([(found, None)], width=160, colour=False)


def test_summary_line():
    """The metrics of a run fit one line."""
    assert summary_line(result()) == "health: 450 requests, 123/s, 0.50% errors, p95 56.8 ms"
