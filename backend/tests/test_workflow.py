"""The steps of performance.yml work: they are executed here in order.

PostgreSQL, service, load and comparison are real; the loads are short. `WORKFLOW=whole pytest
tests/test_workflow.py` runs all seven load tests and Locust, which takes minutes.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from deployment import ROOT
from straingauge.target.ports import free_port
from workflow import EXPRESSION, Step, Workflow

from straingauge import Postgres

FILE = ROOT / ".github/workflows/performance.yml"
CONTENT = yaml.safe_load(FILE.read_text())
(JOB,) = CONTENT["jobs"].values()
STEPS = JOB["steps"]
WHOLE = os.environ.get("WORKFLOW") == "whole"
SHORTER = {
    "SEED_SESSIONS": "20000" if WHOLE else "1000",
    "LOAD_WAVES": "4",
    "LOAD_COOLDOWN_S": "0.2",
    "SUSTAINED_LOAD_S": "6",
    "LEAK_LOAD_S": "9",
    "RUN_TIME": "15s",
    "AB_BUDGET": "20s" if WHOLE else "3s",
    "AB_WARMUP": "1s",
    "JOB_WORKER": str(WHOLE).lower(),  # no health check needs a transcript
    "PYTEST_ADDOPTS": "" if WHOLE else "-k health_checks",
}
"""Settings for short loads."""

pytestmark = [
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git work tree"),
    pytest.mark.serial,  # its load must be valid
]


def git(folder: Path, *words: str) -> str:
    """Run git and return its output."""
    done = subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True)
    return done.stdout


def check_out(folder: Path) -> None:
    """Clone the repository with uncommitted changes, and link the virtual environment."""
    git(ROOT, "clone", "--quiet", "--shared", str(ROOT), str(folder))
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        (folder / name).unlink(missing_ok=True)
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    environment = folder / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".ready":
            (environment / entry.name).symlink_to(entry)
    (environment / ".ready").touch()  # marks the environment as installed


@pytest.fixture(scope="module")
def executed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Workflow, Path, list[Step]]]:
    """The workflow, its checkout and its steps, executed like for a pull request."""
    folder = tmp_path_factory.mktemp("runner")
    checkout, temporary = folder / "checkout", folder / "temporary"
    check_out(checkout)
    temporary.mkdir()
    values = {
        JOB["env"]["PROFILE"].strip("${} "): "daily" if WHOLE else "pre-deployment",
        "github.event.pull_request.base.sha": git(checkout, "rev-parse", "HEAD").strip(),
        "!cancelled() && github.event_name == 'pull_request'": "true",
    }
    port = str(free_port())
    with Postgres(database="therapybridge", max_connections=100) as server:
        env = SHORTER | {
            "DATABASE_URL": server.url,
            "PORT": port,
            "API_BASE_URL": f"http://127.0.0.1:{port}",
        }
        with Workflow(FILE, checkout, temporary, values=values, env=env) as workflow:
            yield workflow, checkout, list(workflow.run())


def test_steps_succeed_in_order(executed: tuple[Workflow, Path, list[Step]]):
    """All steps succeed, in the order of the file."""
    _, _, steps = executed
    assert [step.name for step in steps] == [step["name"] for step in STEPS if "run" in step]
    for step in steps:
        # A short comparison of a build with itself can have a false positive.
        is_worse = step.name == "Compare with the base" and "failed   worse:" in step.output
        assert step.code == (1 if is_worse else 0), f"{step.name}:\n{step.output}"


def test_verdicts_are_in_log_and_summary(executed: tuple[Workflow, Path, list[Step]]):
    """The log contains the verdicts, and the job summary the verdicts and the comparison."""
    workflow, _, steps = executed
    (load,) = (step for step in steps if step.name == "Run the load tests")
    assert "concurrent_health_checks" in load.output
    summary = workflow.summary.replace("\\", "")  # escapes of Markdown
    assert "concurrent_health_checks" in summary
    assert "GET /health p50 ms" in summary  # of the comparison


def test_artifacts_exist(executed: tuple[Workflow, Path, list[Step]]):
    """The uploaded files exist: results of load and comparison, and logs."""
    _, checkout, _ = executed
    (upload,) = (step for step in STEPS if "upload-artifact" in step.get("uses", ""))
    paths = [checkout / line for line in upload["with"]["path"].split()]
    names = [file.name for path in paths for file in path.rglob("*") if file.is_file()]
    assert any(name.startswith("concurrent_health_checks_") for name in names)
    assert any(name.startswith("journeys_ab_") for name in names)
    assert {"report.html", "service.log", "app.log"} <= set(names)


def test_artifacts_are_uploaded_even_on_failure():
    """The last step uploads the artifacts, also after a failure."""
    last = STEPS[-1]
    assert last["uses"].startswith("actions/upload-artifact@v")
    assert EXPRESSION.fullmatch(last["if"])[1] == "always()"


def test_database_of_the_workflow():
    """The database of the workflow has a health check, and DATABASE_URL points to it."""
    postgres = JOB["services"]["postgres"]
    assert int(re.match(r"postgres:(\d+)", postgres["image"])[1]) >= 14
    assert "--health-cmd" in postgres["options"]
    env, (port,) = postgres["env"], postgres["ports"]
    account = f"{env['POSTGRES_USER']}:{env['POSTGRES_PASSWORD']}"
    address = f"127.0.0.1:{port.split(':')[0]}/{env['POSTGRES_DB']}"
    assert JOB["env"]["DATABASE_URL"] == f"postgresql://{account}@{address}"
    assert JOB["env"]["API_BASE_URL"] == f"http://127.0.0.1:{JOB['env']['PORT']}"


def test_triggers():
    """The workflow runs for pull requests to main, daily, weekly, and manually with a profile."""
    on = CONTENT[True]  # YAML's word for `on`
    assert on["pull_request"]["branches"] == ["main"]
    daily, weekly = (each["cron"].split() for each in on["schedule"])
    assert daily == ["0", "2", "*", "*", "*"]
    assert weekly[2:4] == ["*", "*"]
    assert weekly[4].isdecimal()
    assert f"github.event.schedule == '{' '.join(weekly)}' && 'weekly'" in JOB["env"]["PROFILE"]
    (made,) = re.findall(r"^PROFILES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert on["workflow_dispatch"]["inputs"]["profile"]["options"] == made.split()


def test_python_version():
    """The workflow uses the oldest supported version of Python."""
    (setup,) = (step for step in STEPS if "setup-python" in step.get("uses", ""))
    assert setup["with"]["python-version"] == "3.11"


@pytest.mark.parametrize("step", [step for step in STEPS if "run" in step], ids=lambda s: s["name"])
def test_scripts_do_not_sleep(step: dict):
    """No script sleeps."""
    assert "sleep" not in step["run"]
