"""The documentation site: its tutorials work as written, and its reference is complete."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from straingauge.cli import main
from straingauge.diagnosis.causes import CAUSES

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```(sh|diff)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
def bookshelf(tmp_path: Path) -> Path:
    """A copy of the example, in a git repository."""
    folder = tmp_path / "bookshelf"
    shutil.copytree(ROOT / "straingauge/examples/bookshelf", folder)
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "First")):
        author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True)
    return folder


def run(command: str, folder: Path) -> str:
    """Run a command of a tutorial; returns its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100"},
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def steps(tutorial: str, folder: Path) -> list[str]:
    """Execute a tutorial's commands in order, and save its patch; returns their outputs."""
    outputs: list[str] = []
    for language, text in BLOCK.findall((TUTORIALS / tutorial).read_text()):
        if language == "diff":
            (folder / "fault.diff").write_text(text)
        else:
            outputs += [run(command, folder) for command in text.splitlines()]
    return outputs


@pytest.mark.serial  # its loads must be valid
def test_the_first_verdict(bookshelf: Path):
    """The load meets its target, the report is written, and the tests pass."""
    verdict, report, tests = steps("first-verdict.md", bookshelf)
    assert "target" in verdict
    assert (bookshelf / "report.html").exists(), report
    assert "2 passed" in tests


@pytest.mark.serial
def test_finding_a_fault(bookshelf: Path):
    """The lock's place is named, and nothing is named without it."""
    _, faulty, _, healthy = steps("find-a-fault.md", bookshelf)
    assert "service.py:54 in Shelf.find" in " ".join(faulty.split())
    assert "Why:" not in healthy


@pytest.mark.serial
def test_the_gate_of_a_pull_request(bookshelf: Path):
    """Equal builds are not worse."""
    (comparison,) = steps("pull-request.md", bookshelf)
    assert "worse" not in comparison


def test_the_reference_has_each_command_option_and_cause(tmp_path: Path):
    """Generated pages name all commands with their options, and all causes."""
    script = ROOT / "docs/generate/generate.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)
    commands = (tmp_path / "reference/commands.md").read_text()
    for name, command in main.commands.items():
        assert f"## `{name}`" in commands
        assert not [
            each
            for each in command.params
            for opt in each.opts[:1]
            if opt.startswith("--") and opt not in commands
        ]
    causes = (tmp_path / "reference/causes.md").read_text()
    assert not [cause for cause in CAUSES if f"{{#{cause}}}" not in causes]
    pages = [page.read_text() for page in tmp_path.glob("*/*.md")]
    assert pages
    assert not [page for page in pages if "](../../" in page]
