"""Thresholds for any percentile, for errors by kind and status, and for the service's resources."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from straingauge.errors import UsageError
from straingauge.recording import Record, Series
from straingauge.statistics import endpoints, metrics
from straingauge.toml_lines import TomlLines
from straingauge.verdict import Thresholds, judge, value_of

MS = 1_000_000


def series(times_ms: range) -> Series:
    """A series of successful requests with these response times."""
    made = Series()
    made.requests = len(times_ms)
    made.statuses[200] = len(times_ms)
    made.response.add(np.array(times_ms, dtype=np.int64) * MS)
    made.add_span(0, 10**9)
    return made


def read(text: str, tmp_path: Path) -> Thresholds:
    """Thresholds of a file with this text."""
    path = tmp_path / "thresholds.toml"
    path.write_text(text)
    return Thresholds.read(path)


def result(**parts: Any) -> dict[str, Any]:  # noqa: ANN401  parts of a result
    """A result with 200 requests, 10 of them failed."""
    endpoint = {
        "total_requests": 200,
        "rate_limited": 0,
        "error_rate_percent": 5.0,
        "latency_ms": {"p95": 80.0, "percentiles": {"p99.9": 900.0}},
        "errors": {"kinds": {"timeout": 2, "bad_status": 7, "refused": 1}},
        "status_codes": {"200": 190, "503": 4, "504": 3},
    }
    return {
        "name": "run",
        "metrics": endpoint,
        "endpoints": {"GET /": endpoint},
        "errors": endpoint["errors"],
        "status_codes": endpoint["status_codes"],
        "resources": {
            "pool": {"peak_in_use": 9, "size": 10},
            "service": {"cpu_percent": {"avg": 40.0, "peak": 99.0}, "event_loop": None},
        },
        "validity": {"reasons": []},
        **parts,
    }


def test_any_percentile_is_computed_from_the_histogram():
    """Percentiles that thresholds name are computed for the run and for each endpoint."""
    record = Record()
    record.series["main", "GET /"] = series(range(1, 1001))
    names = ("p90", "p99.9")
    found = [metrics(record, percentiles=names), endpoints(record, percentiles=names)["GET /"]]
    for each in found:
        assert each["latency_ms"]["percentiles"]["p90"] == pytest.approx(900, rel=0.005)
        assert each["latency_ms"]["percentiles"]["p99.9"] == pytest.approx(999, rel=0.005)


@pytest.mark.parametrize("name", ['"p99.9_ms"', "p99.9_ms"])
def test_percentile_with_a_dot_needs_no_quotes(tmp_path: Path, name: str):
    """A percentile with a decimal point is understood with quotes and without."""
    found = read(f"[all]\n{name} = {{ target = 1, warning = 2, critical = 3 }}\n", tmp_path)
    assert list(found.overall) == ["p99.9_ms"]
    assert found.percentiles("run") == ("p99.9",)
    verdict = judge(result(), found)  # type: ignore[arg-type]
    assert verdict.grade == "critical"
    assert any("p99.9 900 ms, critical from 3 ms" in each.message for each in verdict.findings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_rate_percent", 1.0),
        ("bad_status_rate_percent", 3.5),
        ("tls_rate_percent", 0.0),
        ("unanswered_rate_percent", 1.5),
        ("status_503_rate_percent", 2.0),
        ("status_5xx_rate_percent", 3.5),
    ],
)
@pytest.mark.parametrize("endpoint", [None, "GET /"])
def test_errors_by_kind_and_status(name: str, value: float, endpoint: str | None):
    """Errors of one kind and responses of one status are percentages of all requests."""
    assert value_of(result(), name, endpoint) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_in_use_percent", 90.0),
        ("pool_in_use_peak", 9.0),
        ("cpu_peak_percent", 99.0),
        ("event_loop_longest_ms", None),
        ("database_connections_peak", None),
    ],
)
def test_resources_of_the_service(name: str, value: float | None):
    """Resources that the observer recorded can have thresholds; None if it saw nothing."""
    assert value_of(result(), name) == value


def test_scenarios_and_tags_have_thresholds(tmp_path: Path):
    """Times, rate and errors of a scenario, and of all scenarios with a tag, are judged."""
    text = """
    [scenario.shop]
    p90_ms = { target = 100, warning = 200, critical = 300 }
    throughput_rps = { target = 100, warning = 90, critical = 50 }
    [tag.read]
    error_rate_percent = { target = 0, warning = 1, critical = 5 }
    [tag.none]
    p95_ms = { target = 1, warning = 2, critical = 3 }
    """
    found = read(text, tmp_path)
    times = {"p95": 1.0, "percentiles": {"p90": 250.0}}
    traffic = {"error_rate_percent": 7.0, "latency_ms": times, "throughput_rps": 95.0}
    parts = {"scenarios": {"shop": traffic}, "tags": {"read": traffic}}
    messages = [each.message for each in judge(result(**parts), found).findings]  # type: ignore[arg-type]
    assert "scenario shop: p90 250 ms, warning from 200 ms" in messages
    assert "scenario shop: throughput 95 /s, target 100 /s" in messages
    assert "tag read: errors 7 %, critical from 5 %" in messages
    assert not any("none" in message for message in messages)
    with pytest.raises(UsageError, match="there is no metric here"):
        read("[tag.read]\ntimeout_rate_percent = 1\n", tmp_path)


def test_transactions_have_thresholds(tmp_path: Path):
    """Times and errors of a transaction are judged, in runs that have it."""
    text = """
    [transaction.checkout]
    p90_ms = { target = 100, warning = 200, critical = 300 }
    error_rate_percent = { target = 0, warning = 1, critical = 5 }
    """
    found = read(text, tmp_path)
    assert found.percentiles("run") == ("p90",)
    times = {"p95": 1.0, "percentiles": {"p90": 250.0}}
    transactions = {"checkout": {"error_rate_percent": 0.0, "latency_ms": times}}
    messages = [each.message for each in judge(result(transactions=transactions), found).findings]  # type: ignore[arg-type]
    assert "transaction checkout: p90 250 ms, warning from 200 ms" in messages
    assert "transaction checkout: errors 0 %, target 0 %" in messages
    without = judge(result(), found).findings  # type: ignore[arg-type]
    assert not any("checkout" in each.message for each in without)
    with pytest.raises(UsageError, match=r'line 2: \[transaction."checkout"\] cpu_percent'):
        read("[transaction.checkout]\ncpu_percent = 1\n", tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("# none\n[all]\n\np95_mss = { target = 1 }\n", 4, "p95_ms"),
        ("[all]\np99.9_sm = 1\n", 2, "p99.9_ms"),
        ("[all]\ntimout_rate_percent = 1\n", 2, "timeout_rate_percent"),
        ('[endpoint."GET /"]\np95_ms = { target = 1 }\n', 2, "write p95_ms ="),
        ("[all]\np0_ms = 1\n", 2, "p90_ms"),
        ("[tset.x]\n", 1, "test"),
    ],
)
def test_mistake_has_its_line_and_the_nearest_name(tmp_path: Path, text: str, line: int, hint: str):
    """A mistake in a threshold file is shown with file, line and the most similar name."""
    with pytest.raises(UsageError, match=rf"thresholds\.toml, line {line}: ") as error:
        read(text, tmp_path)
    assert hint in (error.value.hint or "")


def test_unknown_endpoint_has_its_line(tmp_path: Path):
    """A table for an endpoint that is never called is shown with its line."""
    limit = "p95_ms = { target = 1, warning = 2, critical = 3 }"
    found = read(f'[all]\n{limit}\n\n[endpoint."GET /helth"]\n{limit}\n', tmp_path)
    with pytest.raises(UsageError, match=r'line 4: \[endpoint."GET /helth"\]') as error:
        found.check_names(tests=(), endpoints=("GET /health",))
    assert "GET /health" in (error.value.hint or "")


def test_lines_of_a_toml_text():
    """Tables, dotted and quoted keys have their lines; text inside a string has none."""
    lines = TomlLines('a.b = 1\n[t."x y"] # note\nk = """\n[no]\n"""\n[[list]]\nz = 1\n')
    assert lines.line("a", "b") == 1
    assert lines.line("t", "x y", "k") == 3
    assert lines.line("list", "z") == 7
    assert lines.line("t", "x y", "other") == 2
    assert lines.line("none") is None
