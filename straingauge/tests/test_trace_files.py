"""Kept traces as files of Jaeger and OpenTelemetry."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from sample_results import sample_result
from span_messages import BEGIN_NS, PREFIX, SELECT, message, request, root, span
from straingauge.cli import main
from straingauge.report.trace_files import jaeger, otlp
from straingauge.result.format import read
from straingauge.traces import SpanBuffer, analyze
from straingauge.traces.otlp import read_message
from straingauge.traces.span_buffer import Message


def traced_result() -> dict[str, Any]:
    """Return a result with one kept trace of two spans."""
    buffer = SpanBuffer(PREFIX)
    statement = span(2, 1, 10, 30, name="SELECT", attributes=SELECT, is_error=True)
    buffer.add(Message(message([root(), statement]), is_json=True))
    traces = analyze(buffer, {"GET /books": [request(1)]}, "explain")
    return {**sample_result("steady"), "traces": traces}


def test_an_otlp_file_has_the_same_spans():
    """The file is an export request with ids, times, kinds and statements as they were received."""
    first, second = filter(None, read_message(otlp([traced_result()]).encode(), is_json=True))
    assert (first.parent_id, second.parent_id) == ("", first.span_id)
    assert (first.service, second.is_error) == ("books", True)
    assert second.attributes["db.query.text"] == SELECT["db.statement"]
    assert abs(first.start_ns - BEGIN_NS - 2_000_000) < 1_000
    assert second.start_ns - first.start_ns == 8_000_000
    assert second.duration_ns == 20_000_000


def test_a_jaeger_file_has_a_tree_of_spans():
    """Each span refers to its parent and to the process of its service."""
    (trace,) = json.loads(jaeger([traced_result()]))["data"]
    first, second = trace["spans"]
    assert first["references"] == []
    assert second["references"][0]["spanID"] == first["spanID"]
    assert (first["duration"], second["duration"]) == (93_000, 20_000)
    assert trace["processes"][second["processID"]]["serviceName"] == "books"


def test_a_result_without_traces_makes_an_empty_file():
    """Runs without traces add nothing."""
    assert json.loads(jaeger([sample_result("steady")])) == {"data": []}
    assert json.loads(otlp([sample_result("steady")])) == {"resourceSpans": []}


def test_the_report_command_writes_both(tmp_path: Path):
    """`straingauge report RESULT -o FILE` chooses the format by the ending of the name."""
    source = tmp_path / "result.json"
    source.write_text(json.dumps(traced_result()))
    assert read(source)["traces"]["traced"] == 1
    for ending, key in ((".jaeger.json", "data"), (".otlp.json", "resourceSpans")):
        target = tmp_path / f"traces{ending}"
        done = CliRunner().invoke(main, ["report", str(source), "-o", str(target)])
        assert done.exit_code == 0, done.output
        assert len(json.loads(target.read_text())[key]) == 1
