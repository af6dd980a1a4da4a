"""The pipeline's file does what it says: its steps are carried out here, in order, for real.

PostgreSQL, service, load and comparison are real; the loads are short. `WORKFLOW=whole pytest
tests/test_workflow.py` plays all seven load tests and Locust (minutes).
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
    "PYTEST_ADDOPTS": "" if WHOLE else "-k health_checks",
}
"""The documented settings that make loads short."""

pytestmark = [
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs git's work tree"),
    pytest.mark.serial,  # its load has to be valid
]


def git(folder: Path, *words: str) -> str:
    """Run git; gives what it printed."""
    done = subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True)
    return done.stdout


def check_out(folder: Path) -> None:
    """The repository with its history, and the files as they are; the environment made already."""
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
    (environment / ".ready").touch()  # what `make install` makes, and looks for


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workflow, Path, list[Step]]]:
    """The workflow, its checkout, and its steps as they went for a pull request."""
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


def test_steps_succeed_in_order(played: tuple[Workflow, Path, list[Step]]):
    """Each step ends well: install, fill, start, wait, load, compare."""
    _, _, steps = played
    assert [step.name for step in steps] == [step["name"] for step in STEPS if "run" in step]
    for step in steps:
        # So short a comparison of a build with itself may be wrong now and then, and says so.
        told = step.name == "Compare with the base" and "failed   worse:" in step.output
        assert step.code == (1 if told else 0), f"{step.name}:\n{step.output}"


def test_load_is_judged(played: tuple[Workflow, Path, list[Step]]):
    """The load tests say their verdicts in the log, and with the comparison in the summary."""
    workflow, _, steps = played
    (load,) = (step for step in steps if step.name == "Run the load tests")
    assert "concurrent_health_checks" in load.output
    summary = workflow.summary.replace("\\", "")  # Markdown's own
    assert "concurrent_health_checks" in summary
    assert "GET /health p50 ms" in summary  # of the comparison


def test_artifacts_are_there(played: tuple[Workflow, Path, list[Step]]):
    """What is uploaded exists when the steps are done: results of load and comparison, and logs."""
    _, checkout, _ = played
    (upload,) = (step for step in STEPS if "upload-artifact" in step.get("uses", ""))
    paths = [checkout / line for line in upload["with"]["path"].split()]
    names = [file.name for path in paths for file in path.rglob("*") if file.is_file()]
    assert any(name.startswith("concurrent_health_checks_") for name in names)
    assert any(name.startswith("journeys_ab_") for name in names)
    assert {"report.html", "service.log", "app.log"} <= set(names)


def test_artifacts_are_uploaded_even_on_failure():
    """The last step uploads, whatever became of the steps before."""
    last = STEPS[-1]
    assert last["uses"].startswith("actions/upload-artifact@v")
    assert EXPRESSION.fullmatch(last["if"])[1] == "always()"


def test_database_of_the_workflow():
    """The service's database is asked for its health, and DATABASE_URL is its address."""
    postgres = JOB["services"]["postgres"]
    assert int(re.match(r"postgres:(\d+)", postgres["image"])[1]) >= 14
    assert "--health-cmd" in postgres["options"]
    env, (port,) = postgres["env"], postgres["ports"]
    account = f"{env['POSTGRES_USER']}:{env['POSTGRES_PASSWORD']}"
    address = f"127.0.0.1:{port.split(':')[0]}/{env['POSTGRES_DB']}"
    assert JOB["env"]["DATABASE_URL"] == f"postgresql://{account}@{address}"
    assert JOB["env"]["API_BASE_URL"] == f"http://127.0.0.1:{JOB['env']['PORT']}"


def test_when_it_runs():
    """On pull requests to main, daily at two, weekly, and by hand with each profile there is."""
    on = CONTENT[True]  # YAML's word for `on`
    assert on["pull_request"]["branches"] == ["main"]
    daily, weekly = (each["cron"].split() for each in on["schedule"])
    assert daily == ["0", "2", "*", "*", "*"]
    assert weekly[2:4] == ["*", "*"]
    assert weekly[4].isdecimal()
    assert f"github.event.schedule == '{' '.join(weekly)}' && 'weekly'" in JOB["env"]["PROFILE"]
    (made,) = re.findall(r"^PROFILES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert on["workflow_dispatch"]["inputs"]["profile"]["options"] == made.split()


def test_python_is_as_promised():
    """The pipeline runs on the oldest Python that the packages promise."""
    (setup,) = (step for step in STEPS if "setup-python" in step.get("uses", ""))
    assert setup["with"]["python-version"] == "3.11"


@pytest.mark.parametrize("step", [step for step in STEPS if "run" in step], ids=lambda s: s["name"])
def test_scripts_wait_for_conditions(step: dict):
    """No step sleeps."""
    assert "sleep" not in step["run"]
