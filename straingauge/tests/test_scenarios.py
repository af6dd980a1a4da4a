"""Scenarios run at once on one clock, each with its own journeys, schedule and users."""

import time
from pathlib import Path
from typing import Any

import pytest
from raw_server import answering, serve
from single_journey import get, users_of
from straingauge.cli.options import RunOptions, load_spec
from straingauge.compare import compare
from straingauge.engine import Load, run_load
from straingauge.errors import UsageError
from straingauge.journey import Scenario, mix
from straingauge.recording import Record, Recorder
from straingauge.report.markdown import markdown
from straingauge.report.page import page
from straingauge.report.scenarios import scenario_lines
from straingauge.report.verdict_table import verdict_table
from straingauge.result.assembly import compose
from straingauge.result.format.schema import schema, violation
from straingauge.runner import load_parts
from straingauge.runner.run_metadata import run_metadata
from straingauge.schedule import constant, constant_users
from straingauge.workers import MergedReports, Report

pytestmark = pytest.mark.serial  # its loads must be punctual

JOURNEYS = """
from straingauge import Pause, constant, constant_users, scenario

def account(index):
    return {"number": index}

def log_in(user):
    yield user.get("/login")

def listing(user):
    with user.transaction("look"):
        yield user.get("/list")

def order(user):
    yield user.get(f"/order?n={user.data['number']}", name="GET /order")
"""
PYTHON = (
    JOURNEYS
    + """
scenarios = [
    scenario("browse", listing, constant_users(count=4, duration_s=0.3, think_s=0.01)),
    scenario("order", order, constant(rate_per_s=100, duration_s=0.2), start_s=0.4, users=6),
]
"""
)
TOML = """
[[scenario]]
name = "browse"
file = "journeys.py"
journeys = ["listing"]
users = 4
duration = "300ms"
think = "10ms"
tags = ["read"]

[[scenario]]
name = "order"
file = "journeys.py"
journeys = ["order"]
rate = 100
users = 6
duration = "200ms"
start = "400ms"
tags = ["write", "all"]

[[scenario]]
name = "health"
get = ["/health"]
stages = ["200ms:50/s", "200ms:50/s"]
tags = ["read"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journey file and a scenario file."""
    path = tmp_path_factory.mktemp("scenarios")
    (path / "journeys.py").write_text(JOURNEYS)
    (path / "python.py").write_text(PYTHON)
    (path / "load.toml").write_text(TOML)
    return path


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    """The result of a scenario file that two shares have run one after the other."""
    spec = load_spec(RunOptions(file=folder / "load.toml"))
    reports = []
    with serve(answering()) as server:
        for i in range(2):
            recorder, start_ns = Recorder(), time.monotonic_ns() + 20_000_000
            stats = run_load(spec.load(server.url), recorder, share=(i, 2), start_ns=start_ns)
            record = recorder.snapshot()
            data = record.to_bytes()
            requests = record.requests("main")
            reports.append(Report(f"p{i}", time.monotonic_ns(), requests, data, {"main": stats}))
        metadata = run_metadata(spec, server.url)
    composed = compose(MergedReports(tuple(reports), metadata=metadata))
    return {**composed, "verdict": {"grade": "not_judged", "findings": []}, "diagnosis": []}


@pytest.mark.serial
def test_scenarios_of_a_file(result: dict[str, Any]):
    """Each scenario has its metrics, of all processes; together they are those of the run."""
    found = result["scenarios"]
    assert violation(result, schema("result-1")) is None
    assert {name: [*each["endpoints"]] for name, each in found.items()} == {
        "browse": ["GET /list"],
        "order": ["GET /order"],
        "health": ["GET /health"],
    }
    assert found["order"]["total_requests"] == 20
    assert found["health"]["total_requests"] == 15
    assert found["order"]["throughput_rps"] == pytest.approx(100, rel=0.05)
    assert found["browse"]["transactions"]["look"]["completed"] > 10
    assert found["order"]["transactions"] == {}
    total = sum(each["total_requests"] for each in found.values())
    assert result["metrics"]["total_requests"] == total
    assert [each["start_s"] for each in found.values()] == [0, 0.4, 0]
    journeys = found["browse"]["journeys"]
    assert journeys == found["browse"]["total_requests"]


@pytest.mark.serial
def test_tags_add_up_scenarios(result: dict[str, Any]):
    """The metrics of a tag are those of its scenarios taken together."""
    tags, found = result["tags"], result["scenarios"]
    assert {tag: each["scenarios"] for tag, each in tags.items()} == {
        "all": ["order"],
        "read": ["browse", "health"],
        "write": ["order"],
    }
    read = found["browse"]["total_requests"] + found["health"]["total_requests"]
    assert tags["read"]["total_requests"] == read
    assert tags["read"]["latency_ms"]["samples"] == read


@pytest.mark.serial
def test_scenario_starts_after_its_delay(result: dict[str, Any]):
    """No request of a scenario is due before its start, counted from the start of the load."""
    order = result["endpoints"]["GET /order"]
    assert order["duration_s"] == result["metrics"]["duration_s"]
    slowest = [s for s in result["metrics"]["slowest"] if s["endpoint"] == "GET /order"]
    assert all(0.4 <= each["start_s"] < 0.6 for each in slowest)


@pytest.mark.serial
def test_reports_show_scenarios(result: dict[str, Any]):
    """Terminal, Markdown, page and comparison show each scenario and tag."""
    lines = dict(scenario_lines(result))
    assert lines.keys() == {"scenario", "tag"}
    text = " ".join(verdict_table([(result, None)], width=300, colour=False).split())
    assert "scenario order: 20 requests, 100/s, 0.00% errors" in text
    assert "(from 0.4 s on)" in text
    assert "tag read:" in text
    assert "- scenario browse:" in markdown([result])
    assert ">Scenarios</h3>" in page([result])
    named = {each.endpoint for each in compare(result, result, force=True).changes}
    assert {"scenario browse", "scenario order", "scenario health", "transaction look"} <= named


def test_a_command_may_have_its_own_number_of_users(folder: Path):
    """The default of a command, as of `doctor`, gives way to the users of the scenarios."""
    spec = load_spec(RunOptions(file=folder / "python.py", default_users=100))
    assert [len(each.users) for each in spec.scenarios] == [4, 6]
    assert RunOptions(gets=("/",), default_users=100).user_count == 100


def test_python_file_with_scenarios(folder: Path):
    """A list `scenarios` in a journey file is run, unless a journey is selected."""
    spec = load_spec(RunOptions(file=folder / "python.py"))
    assert [each.name for each in spec.scenarios] == ["browse", "order"]
    assert [len(each.users) for each in spec.scenarios] == [4, 6]
    assert [user.data["number"] for user in spec.users] == list(range(10))
    assert spec.schedule.duration_s == pytest.approx(0.6)
    assert spec.max_processes == 6
    one = load_spec(RunOptions(file=folder / "python.py", journeys=("order",), users=3))
    assert (one.scenarios, len(one.users)) == ((), 3)
    with pytest.raises(UsageError, match=r"--users: the scenarios of .* have their own schedules"):
        load_spec(RunOptions(file=folder / "python.py", users=3))
    for file in ("python.py", "load.toml"):
        with pytest.raises(UsageError, match="capacity sets the load itself; scenarios are for"):
            load_spec(RunOptions(file=folder / file, users=3, load_set_by="capacity"))


def test_scenarios_without_a_load_share_that_of_the_options(folder: Path, tmp_path: Path):
    """A scenario without users, rate and stages gets its part of --users or --rate, by weight."""
    rows = ["[[scenario]]\nname = 'a'\nget = ['/a']\nweight = 3"]
    rows += ["[[scenario]]\nname = 'b'\nget = ['/b']", TOML]
    file = tmp_path / "shared.toml"
    file.write_text("\n".join(rows).replace("journeys.py", f"{folder}/journeys.py"))
    by_users = load_spec(RunOptions(file=file, users=10, duration=7.0))
    assert [len(each.users) for each in by_users.scenarios[:2]] == [8, 2]
    assert by_users.scenarios[0].schedule == constant_users(count=8, duration_s=7.0)
    by_rate = load_spec(RunOptions(file=file, rate=40.0, duration=7.0))
    assert [each.schedule for each in by_rate.scenarios[:2]] == [
        constant(rate_per_s=30, duration_s=7),
        constant(rate_per_s=10, duration_s=7),
    ]
    with pytest.raises(UsageError, match="1 user is too few"):
        load_spec(RunOptions(file=file, users=1))
    with pytest.raises(UsageError, match=r"--rate: the scenarios of .* have their own load"):
        load_spec(RunOptions(file=folder / "load.toml", rate=5.0))


@pytest.mark.serial
def test_short_scenario_ends_alone():
    """The users of a scenario that is over send nothing, while another one goes on."""
    recorder = Recorder()
    both = [
        Scenario("short", mix(get), constant_users(count=3, duration_s=0.1, think_s=0.01), 3),
        Scenario("long", mix(get), constant(rate_per_s=100, duration_s=0.5), 3),
    ]
    parts = load_parts(both, None, 1, users_of)
    with serve(answering()) as server:
        load = Load(
            server.url,
            constant(rate_per_s=1, duration_s=1),
            parts["journeys"],
            parts["users"],
            scenarios=parts["scenarios"],
        )
        stats = run_load(load, recorder)
    record: Record = recorder.snapshot()
    short, long = (record.of_scenarios((name,)).total("main") for name in ("short", "long"))
    assert long.requests == 50
    assert short.last_ns is not None
    assert long.last_ns is not None
    assert short.last_ns < long.last_ns
    assert stats.journeys == short.requests + long.requests
    assert stats.scenarios["long"].journeys == 50
