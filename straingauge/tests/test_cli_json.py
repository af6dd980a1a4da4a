"""Quiet commands, and JSON on standard output."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from formats import whole
from straingauge.cli import main
from straingauge.cli.run import _show
from straingauge.cli.screen import Screen
from straingauge.result.format import read
from straingauge.verdict import Thresholds

UNUSED_ENDPOINT = {"endpoint": {"GET /x": {"p95_ms": {"target": 1, "warning": 2, "critical": 3}}}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A result file."""
    path = tmp_path / "mixed.json"
    path.write_text(json.dumps(whole()))
    return path


def test_a_quiet_screen_shows_warnings_alone(capsys: pytest.CaptureFixture[str]):
    """-q leaves out progress and notes, but neither warnings nor announcements."""
    screen = Screen(quiet=True)
    screen.rewrite("12 s left")
    screen.say("load starts")
    screen.warn("export ended")
    screen.announce("live page: http://127.0.0.1:1/")
    assert capsys.readouterr().err == "export ended\nlive page: http://127.0.0.1:1/\n"


def test_a_run_prints_nothing_but_json(file: Path, capsys: pytest.CaptureFixture[str]):
    """With --json, standard output has the result alone; notes go to standard error."""
    outcome: Any = SimpleNamespace(result=read(file), path=file, problem=None)
    thresholds = Thresholds.parse(UNUSED_ENDPOINT, source="a test")
    _show(outcome, thresholds, as_json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["name"] == "mixed"
    assert "thresholds for endpoints that were not called: GET /x" in shown.err
    _show(outcome, thresholds, as_json=False)
    assert "GET /x" in capsys.readouterr().out


def test_results_are_an_array(file: Path, tmp_path: Path):
    """`report --json` prints an array of the results, and names the written page elsewhere."""
    page = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["report", str(file), "--json", "-o", str(page)])
    assert [each["name"] for each in json.loads(done.stdout)] == ["mixed"]
    assert str(page) in done.stderr


def test_trends_are_an_array(file: Path):
    """`history --json` prints the points and shifts of each metric."""
    done = CliRunner().invoke(main, ["history", str(file.parent), "--json"])
    (trend,) = json.loads(done.stdout)
    series = {each["metric"]: each for each in trend["series"]}
    (point,) = series["p95_ms"]["points"]
    assert point["file"] == str(file)
    assert point["value"] == read(file)["metrics"]["latency_ms"]["p95"]
