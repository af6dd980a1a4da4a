"""Spans of a service that exports them during `straingauge run`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from stack_tools import eventually
from straingauge.cli import main
from straingauge.target.ports import free_port, is_in_use

pytestmark = pytest.mark.e2e

SERVICE = Path(__file__).with_name("exporting_service.py")


def test_spans_are_received_during_a_load(tmp_path: Path):
    """Sampled requests of both processes are matched with the spans of the running service."""
    otlp, port = free_port(), free_port()
    env = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}"}
    with subprocess.Popen([sys.executable, SERVICE, str(port)], env=env) as service:
        try:
            assert eventually(lambda: is_in_use(port))
            options = ["--users", "4", "--rate", "60", "--duration", "1s", "--processes", "2"]
            done = subprocess.run(
                [
                    *(Path(sys.executable).with_name("straingauge"), "run", "--get", "/books"),
                    *("--host", f"http://127.0.0.1:{port}", "--otlp-port", str(otlp)),
                    *("--results", str(tmp_path), *options),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            service.kill()
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{otlp}" in done.stderr + done.stdout
    (path,) = tmp_path.glob("get_*.json")
    traces = json.loads(path.read_text())["traces"]
    assert traces["source"] == "service"
    assert 2 <= traces["traced"] == traces["requests"] < 40
    assert traces["endpoints"]["GET /books"]["statements_per_request"] == 1


def test_spans_need_the_header(tmp_path: Path):
    """Without the header no span belongs to a request, which is an error before the load."""
    options = ["--get", "/", "--host", "http://127.0.0.1:9", "--results", str(tmp_path)]
    done = CliRunner().invoke(main, ["run", *options, "--otlp-port", "0", "--no-traceparent"])
    assert done.exit_code == 2
    assert "--otlp-port needs the header traceparent" in done.output
