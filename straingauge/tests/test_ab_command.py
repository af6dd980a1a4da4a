import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
from formats import conforming
from straingauge.ab import worktree
from straingauge.errors import TargetError

pytestmark = pytest.mark.e2e

SERVICE = Path(__file__).with_name("turning_service.py")
STRAINGAUGE = Path(sys.executable).with_name("straingauge")
SHORT = ("--get", "/", "--warmup", "200ms", "--slot", "50ms", "--name", "trial")
CONFIG = """
[service]
command = ["{python}", "service.py", "{port}", "4"]
"""


def command(wait_ms: int, requests: int | str = "") -> str:
    """Return the command of a service with a response time, which may end after some requests."""
    program = f"{quote(sys.executable)} {quote(str(SERVICE))}"
    return f"{program} {{port}} {wait_ms} {requests}".strip()


def ab(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `straingauge ab` in a folder."""
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.Popen(
        [STRAINGAUGE, "ab", *SHORT, "--results", str(folder / "results"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=env,
    )


def document(folder: Path) -> dict[str, Any]:
    """Read the result file."""
    (file,) = (folder / "results").glob("trial_ab_*.json")
    return conforming(file)


def git(folder: Path, *arguments: str) -> None:
    """Run git as a made-up author."""
    author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A work tree whose one commit responds in 4 ms, and its working copy in 12 ms."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "service.py").write_text(SERVICE.read_text())
    (folder / "straingauge.toml").write_text(CONFIG)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "First")
    (folder / "straingauge.toml").write_text(CONFIG.replace('"4"', '"12"'))
    return folder


def test_the_slower_of_two_commands_is_worse(tmp_path: Path):
    """A head that takes three times as long is worse: exit code 1, and a verdict in the file."""
    process = ab(tmp_path, "--base", command(5), "--head", command(15), "--budget", "20s")
    output, errors = process.communicate(timeout=180)
    assert process.returncode == 1, errors
    assert "failed   worse: " in errors
    assert "worse" in output
    found = document(tmp_path)
    assert (found["stopped_early"], found["invalid_reason"]) == (None, None)
    assert found["comparison"]["verdicts"]["worse"] >= 1
    base = found["endpoints"]["GET /"]["base"]
    assert sum(base["by_pair"]["served"]) == base["requests"] > 0


def test_a_service_that_dies_in_the_middle(tmp_path: Path):
    """If head dies, its last output is shown, and the data until then are in the file."""
    process = ab(tmp_path, "--base", command(5), "--head", command(5, 100), "--budget", "60s")
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 3, errors
    assert "died during the trial" in errors
    assert "I have had enough" in errors
    found = document(tmp_path)
    assert "died during the trial" in found["stopped_early"]
    assert found["endpoints"]["GET /"]["base"]["requests"] > 0


def test_ctrl_c_keeps_the_data(tmp_path: Path):
    """An interrupt ends it with 130 and a file, and leaves no service running."""
    started = tmp_path / "started"
    head = command(5, f"200 {started}")  # more than the warm-up alone sends
    process = ab(tmp_path, "--base", command(5), "--head", head, "--budget", "60s")
    give_up_at = time.monotonic() + 50
    while not started.exists():
        assert process.poll() is None
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 130, errors
    assert document(tmp_path)["stopped_early"] == "interrupted"


def test_kill_keeps_the_data(tmp_path: Path):
    """After kill -9 a second process writes the comparison so far, and says what is missing."""
    builds = ("--base", command(5), "--head", command(5), "--budget", "8s", "--margin", "0.01")
    process = ab(tmp_path, *builds)
    assert process.stderr is not None
    while "inconclusive" not in process.stderr.readline():  # the first part
        assert process.poll() is None
    process.kill()
    _, errors = process.communicate(timeout=180)
    found = document(tmp_path)
    assert "was killed or has crashed: the last" in found["stopped_early"]
    assert found["stopped_early"] in errors


def test_a_commit_is_compared_with_the_work_tree(repository: Path):
    """The base is built from its commit, the head from the work tree; no worktree is left."""
    process = ab(repository, "--base", "HEAD", "--budget", "20s")
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 1, errors
    found = document(repository)
    assert len(found["variants"]["base"]["commit"]) == 40
    assert found["variants"]["head"] == {"source": ".", "commit": None}
    assert list((repository / ".git").glob("worktrees/*")) == []


def test_a_failed_installation_shows_its_output(tmp_path: Path):
    """If the packages of a base cannot be installed, the error has the output of the installer."""
    with pytest.raises(TargetError, match="the build failed") as failed:
        worktree._install([sys.executable, "-c", "raise SystemExit('no such package')"], tmp_path)
    assert "no such package" in str(failed.value)


def test_a_base_that_does_not_start(repository: Path):
    """A base that ends at its start gives exit code 3 and its last output, but no file."""
    (repository / "service.py").write_text("raise SystemExit('no such thing')")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Broken")
    process = ab(repository, "--base", "HEAD", "--head", command(5))
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 3
    assert "straingauge: base (HEAD): " in errors
    assert "no such thing" in errors
    assert not (repository / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--base", "no-such-branch"), 2, "base (no-such-branch): unknown commit"),
        (("--base", "http://127.0.0.1:1"), 3, "nothing responds at http://127.0.0.1:1"),
        (("--base", "HEAD", "--head", "gone"), 2, "head (gone): unknown commit 'gone'"),
        (("--base", "--upload-pack"), 2, "unknown commit '--upload-pack'"),
        (("--base", "HEAD", "--fail-on", "bad"), 2, "--fail-on 'bad' is not a condition"),
    ],
)
def test_invalid_arguments_are_refused(
    repository: Path, arguments: tuple[str, ...], code: int, why: str
):
    """An unknown commit, an unreachable URL and a malformed option are each one sentence."""
    process = ab(repository, *arguments)
    _, errors = process.communicate(timeout=180)
    assert (process.returncode, why in errors) == (code, True), errors
