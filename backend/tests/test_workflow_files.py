"""Structure of all GitHub workflows, and the checks before a release.

The steps of `performance.yml` are executed by `test_workflow.py`.
"""

import importlib.util
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from deployment import ROOT
from workflow import EXPRESSION

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {file.stem: yaml.safe_load(file.read_text()) for file in FILES}
ON = True  # YAML reads the key `on` as this
PROJECT = tomllib.loads((ROOT / "straingauge" / "pyproject.toml").read_text())["project"]
ACTION = re.compile(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)")
PATH = re.compile(r"(?<![\w./-])(\.ci/[\w./-]+)")

each_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def steps(name: str, job: str | None = None) -> list[dict]:
    """Return the steps of a workflow, or of one of its jobs."""
    jobs = WORKFLOWS[name]["jobs"]
    return [step for key, each in jobs.items() if job in (None, key) for step in each["steps"]]


def scripts(name: str, job: str | None = None) -> str:
    """Return all shell scripts of a workflow, or of one of its jobs."""
    return "\n".join(step["run"] for step in steps(name, job) if "run" in step)


def test_the_workflows_are_these():
    """Continuous integration, load tests and releases."""
    assert sorted(WORKFLOWS) == ["ci", "performance", "release"]


@each_workflow
def test_permissions_are_read_only(name: str):
    """A workflow may only read; a job that needs more has to say so."""
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


@each_workflow
def test_every_job_has_a_time_limit(name: str):
    """No job can hang for GitHub's default of six hours."""
    assert all(job["timeout-minutes"] <= 240 for job in WORKFLOWS[name]["jobs"].values())


@each_workflow
def test_scripts_contain_no_expressions(name: str):
    """An expression in a script could turn a branch's or a tag's name into a command."""
    assert not EXPRESSION.search(scripts(name))


@each_workflow
def test_actions_are_pinned_to_a_major_version(name: str):
    """Each action names its release series."""
    actions = [step["uses"] for step in steps(name) if "uses" in step]
    assert actions
    assert [each for each in actions if not ACTION.fullmatch(each)] == []


@each_workflow
def test_scripts_use_what_exists(name: str):
    """Make targets, files of `.ci/` and working directories are there."""
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", scripts(name))) <= set(phony.split())
    for path in PATH.findall(scripts(name)):
        assert (ROOT / path).is_file(), path
    for step in steps(name):
        assert (ROOT / step.get("working-directory", ".")).is_dir()


def test_ci_covers_the_supported_versions():
    """The matrix has exactly the Python versions that the package declares."""
    matrix = WORKFLOWS["ci"]["jobs"]["linux"]["strategy"]["matrix"]
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == declared
    assert PROJECT["requires-python"] == f">={declared[0]}"
    assert scripts("ci", "linux") == ".ci/run"


def test_release_starts_with_a_tag_only():
    """Neither a branch nor a pull request can publish."""
    assert WORKFLOWS["release"][ON] == {"push": {"tags": ["v*"]}}


def test_release_publishes_what_was_checked():
    """The job that may publish runs no script; it takes what the other job built and checked."""
    jobs = WORKFLOWS["release"]["jobs"]
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    assert scripts("release", "publish") == ""
    uploaded, downloaded = steps("release", "build")[-1], steps("release", "publish")[0]
    assert uploaded["with"]["name"] == downloaded["with"]["name"]
    for check in (".ci/release.py", "twine check --strict", ".ci/standalone.py --wheel"):
        assert check in scripts("release", "build")


def load_release_script() -> ModuleType:
    """Import `.ci/release.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("tag", "heading", "problems"),
    [
        ("v1.2.3", "## 1.2.3 - 2026-11-28", []),
        ("v1.2.4", "## 1.2.3 - 2026-11-28", ["the tag is v1.2.4"]),
        ("v1.2.3", "## Unreleased", ["CHANGELOG.md has no section"]),
        ("v1.2.3", "## 1.2.30 - 2026-11-28", ["CHANGELOG.md has no section"]),
    ],
)
def test_a_release_needs_its_version_and_changelog(
    tmp_path: Path, tag: str, heading: str, problems: list[str]
):
    """A tag that does not match, or a version without notes, is refused."""
    (tmp_path / "straingauge").mkdir()
    (tmp_path / "straingauge" / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n")
    found = load_release_script().problems(tag, tmp_path)
    assert [line[: len(start)] for line, start in zip(found, problems, strict=True)] == problems


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actionlint_accepts_the_workflow(file: Path):
    """Actionlint finds nothing."""
    if shutil.which("actionlint") is None:
        pytest.skip("no actionlint here: see https://github.com/rhysd/actionlint")
    done = subprocess.run(["actionlint", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
