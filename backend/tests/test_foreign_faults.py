"""The faults in services that were not written here: catalogue, stored results, failed trials."""

import json
import sys
from pathlib import Path

import pytest
from sample_results import sample_result
from straingauge.diagnosis import CAUSES
from straingauge.verdict import Thresholds
from tests.performance.fault_injection.table import row

FOREIGN = Path(__file__).resolve().parents[2] / "benchmarks" / "foreign"
sys.path.insert(0, str(FOREIGN))

import command  # noqa: E402  a script's folder, as Python adds it for the script
from catalogue import SERVICES, faults_of  # noqa: E402
from stored_trials import StoredTrials  # noqa: E402


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_ten_faults(name: str):
    """Each service has ten faults with known causes, and a healthy row."""
    faults = faults_of(name)
    assert sum(not fault.is_healthy for fault in faults) == 10
    assert {cause for fault in faults for cause in fault.causes} <= set(CAUSES)


def test_stored_results_are_diagnosed_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """--diagnose judges the latest stored result again; an unfinished folder does not count."""
    fault = faults_of("kinto")[0]
    stored = StoredTrials(tmp_path / "kinto", Thresholds.parse({}, source="a test"))
    folder = stored.new_folder(fault)
    folder.mkdir(parents=True)
    result = sample_result("kinto", trouble=True)
    folder.joinpath("kinto.json").write_text(json.dumps(result | {"verdict": None}))
    stored.new_folder(fault).mkdir()
    arguments = ["--service", "kinto", "--results", str(tmp_path), "--diagnose"]
    assert command.main(arguments) == 0
    output = capsys.readouterr().out
    assert "faults detected     1 of 1" in output
    assert "critical" in output


def test_a_failed_trial_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A service that does not start leaves a row with the reason for each of its faults."""

    def refuse(_name: str):
        raise OSError("no space left on device")

    monkeypatch.setattr(command, "ForeignService", refuse)
    options = command._parse(["--service", "kinto", "--results", str(tmp_path)])
    trials = list(command._trials("kinto", faults_of("kinto")[:2], options))
    assert not any(trial.is_correct for trial in trials)
    assert all("failed" in row(trial) and "no space left" in row(trial) for trial in trials)


def test_unknown_names_are_an_error(capsys: pytest.CaptureFixture[str]):
    """A name that no fault of the service has is a usage error, before anything is started."""
    assert command.main(["nonsense", "--service", "kinto"]) == 2
    assert "unknown fault of kinto: nonsense" in capsys.readouterr().out
