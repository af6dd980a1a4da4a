"""The scripts of the GitHub action and the GitLab template, executed in order."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import pytest
import yaml
from forge import Forge, github, gitlab, running_forge

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
TEMPLATE = yaml.safe_load((ROOT / "deploy/gitlab/straingauge.yml").read_text())[".straingauge"]
JOURNEYS = """
from straingauge import User

def look(user: User):
    yield user.get("/")
"""
OPTIONS = "--budget 6s --warmup 200ms --slot 50ms"
WORSE = "**worse**"


@pytest.fixture
def forge() -> Iterator[Forge]:
    """An API without comments."""
    with running_forge() as server:
        yield server


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """Variables of a job in a folder with journeys, whose head is eight times as slow."""
    (tmp_path / "journeys.py").write_text(JOURNEYS)
    program = (
        f"{quote(sys.executable)} {quote(str(Path(__file__).with_name('turning_service.py')))}"
    )
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JOURNEYS": "journeys.py",
        "OPTIONS": OPTIONS,
        "BASE": f"{program} {{port}} 5",
        "HEAD": f"{program} {{port}} 40",
    }


def execute(script: str, folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run a script as both services do; returns its exit code and output."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=env, check=False, capture_output=True, text=True, timeout=180
    )
    return done.returncode, done.stdout + done.stderr


def test_the_action_comments_on_a_slower_pull_request(
    tmp_path: Path, forge: Forge, job: dict[str, str]
):
    """The step fails because the head is worse, and the comparison is in a comment."""
    steps = {step["name"]: step for step in ACTION["runs"]["steps"]}
    assert list(steps) == ["Install", "Compare", "Comment"]
    assert {name.upper() for name in ("journeys", "options", "base", "head")} == {
        name for name in steps["Compare"]["env"] if name in job
    }
    outputs = tmp_path / "outputs"
    env = {**job, **github(forge), "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(outputs)}
    code, said = execute(steps["Compare"]["run"], tmp_path, env)
    assert code == 1, said
    assert "failed   worse: " in said
    _, _, comparison = outputs.read_text().strip().partition("comparison=")
    env |= {"COMPARISON": comparison, "COMMENT": ACTION["inputs"]["comment"]["default"]}
    code, said = execute(steps["Comment"]["run"], tmp_path, env)
    assert code == 0, said
    assert WORSE in forge.bodies[1]


def test_the_gitlab_job_comments_on_a_slower_merge_request(
    tmp_path: Path, forge: Forge, job: dict[str, str]
):
    """The job fails because the head is worse, and the comparison is in a comment."""
    assert {"JOURNEYS", "OPTIONS", "BASE", "HEAD"} <= TEMPLATE["variables"].keys()
    code, said = execute("\n".join(TEMPLATE["script"]), tmp_path, {**job, **gitlab(forge)})
    assert code == 1, said
    assert WORSE in forge.bodies[1]


def test_scripts_take_values_from_variables_only():
    """No script contains an expression, which a title or branch name could turn into commands."""
    scripts = [step["run"] for step in ACTION["runs"]["steps"]]
    assert scripts
    assert not [script for script in scripts if "${{" in script]
