"""Mistakes in scenarios are found before the load, and a late one in the result."""

from pathlib import Path
from typing import Any

import pytest
from single_journey import get, users_of
from straingauge.cli.options import RunOptions, load_spec
from straingauge.engine import Delay, EngineStats
from straingauge.engine.load import ScenarioStats
from straingauge.errors import UsageError
from straingauge.journey import scenario
from straingauge.recording import Recorder
from straingauge.result.assembly.scenarios import scenarios as measured
from straingauge.runner import load_parts
from straingauge.schedule import Schedule, constant, constant_users, stages, waves
from straingauge.verdict import ValidityInput


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("get = ['/']", "1 has no name"),
        ("name = 'a'\nget = ['/']\nuser = 3", "unknown key user"),
        ("name = 'a'\nget = ['/']\nusers = 0", "users: must be a whole number, 1 or more"),
        ("name = 'a'\nget = ['/']\nrate = true", "rate: must be a number more than 0"),
        ("name = 'a'\nget = '/'", "get: must be a list of texts"),
        ("name = 'a'\nget = ['/']\nduration = '3 parsecs'", "duration: '3 parsecs' is not a time"),
        ("name = 'a'\nget = ['/']\nstages = ['1s']", "stages: '1s' is no stage"),
        ("name = 'a'\nget = ['/']\nstages = ['1s:1', '1s:1/s']", r"1 \(a\): the stages mix"),
        ("name = 'a'\nget = ['/']\nrate = 2\nthink = '1s'", r"1 \(a\): --think applies to --users"),
        ("name = 'a'\nget = ['/']\nrate = 2\nweight = 2", "weight is for a scenario without"),
        ("name = 'a#b'\nget = ['/']", "'a#b' cannot be the name of a scenario"),
        ("name = 'a'", "name a file with journeys"),
        ("name = 'a'\nfile = 'none.py'", "there is no such file"),
        ("name = 'a'\nget = ['/']\n[[scenario]]\nname = 'a'\nget = ['/']", "two scenarios"),
    ],
)
def test_mistakes_in_a_scenario_file(tmp_path: Path, row: str, message: str):
    """A mistake in a scenario file is a usage error that names the table."""
    file = tmp_path / "load.toml"
    file.write_text(f"[[scenario]]\n{row}\n")
    with pytest.raises(UsageError, match=message):
        load_spec(RunOptions(file=file))


@pytest.mark.parametrize("text", ["", "[service]\n", "scenario = 3\n"])
def test_file_without_scenarios(tmp_path: Path, text: str):
    """A TOML file without a scenario is a usage error."""
    file = tmp_path / "load.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"there is no \[\[scenario\]\] in it"):
        load_spec(RunOptions(file=file))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "cannot be the name"),
        ({"name": "a@b"}, "cannot be the name"),
        ({"start_s": -1}, "start_s must be 0 or more"),
        ({"start_s": float("nan")}, "start_s must be 0 or more"),
        ({"users": 0}, "users must be 1 or more"),
        ({"tags": ["a#"]}, "'a#' cannot be a tag"),
    ],
)
def test_invalid_scenario(arguments: dict[str, Any], message: str):
    """An invalid scenario is a usage error."""
    given: dict[str, Any] = {"name": "a", **arguments}
    with pytest.raises(UsageError, match=message):
        scenario(given.pop("name"), get, constant(rate_per_s=1, duration_s=1), **given)


@pytest.mark.parametrize(
    ("schedule", "users"),
    [
        (constant(rate_per_s=1, duration_s=1), 10),
        (constant_users(count=3, duration_s=1), 3),
        (stages("1s:7"), 7),
        (waves(concurrent=4), 4),
    ],
)
def test_users_of_a_scenario(schedule: Schedule, users: int):
    """A scenario has as many users as its schedule needs, and 10 for arrivals."""
    assert scenario("a", get, schedule).users == users


def test_load_of_scenarios_has_no_other_schedule():
    """Scenarios and a schedule contradict each other; one of them is needed."""
    schedule = constant(rate_per_s=1, duration_s=1)
    with pytest.raises(UsageError, match="their own schedules"):
        load_parts([scenario("a", get, schedule)], schedule, 1, users_of)
    with pytest.raises(UsageError, match="needs a schedule"):
        load_parts(get, None, 1, users_of)
    few = scenario("a", get, constant_users(count=3, duration_s=1), users=2)
    with pytest.raises(UsageError, match="the scenario a has 2"):
        load_parts([few], None, 1, users_of)


def test_late_scenario_is_found_in_a_punctual_run():
    """A scenario whose arrivals were late is invalid, though the run as a whole looks punctual."""
    recorder = Recorder()
    for name, took_ns in (("quick", 10**7), ("slow", 10**10)):
        sink = recorder.endpoint_sink(f"main#{name}", "GET /", 0)
        for n in range(200):
            sink.add(n, n, n + 1, n + took_ns, 200, None)
    names = ("quick", "slow")
    stats = {name: _stats(late_ms=300 if name == "quick" else 0) for name in names}
    planned = [
        {"name": n, "start_s": 0.0, "duration_s": 1.0, "is_open": True, "tags": []} for n in names
    ]
    found = measured(
        planned,
        recorder.snapshot(),
        {"p1": _engine(stats)},
        ValidityInput(requests=400, p95_ms=10_000),
        percentiles=("p99.9",),
        is_complete=True,
        histograms=False,
    )
    assert {name: each["valid"] for name, each in found.scenarios.items()} == {
        "quick": False,
        "slow": True,
    }
    assert [reason.message[:15] for reason in found.reasons] == ["scenario quick:"]
    assert found.scenarios["quick"]["latency_ms"]["percentiles"].keys() == {"p99.9"}


def _stats(late_ms: float) -> Any:  # noqa: ANN401
    return ScenarioStats(200, 0, 0, Delay(late_ms, late_ms, late_ms))


def _engine(stats: dict[str, Any]) -> EngineStats:
    none = Delay(0, 0, 0)
    return EngineStats(
        400, 400, 0, 0, 1, 0, 0, none, none, 0.1, 1.0, interrupted=False, scenarios=stats
    )
