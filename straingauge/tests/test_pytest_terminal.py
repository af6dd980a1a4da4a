"""Progress of a load test on a real terminal: a line that is rewritten and then removed."""

import os
import pty
import re
import subprocess
import sys

import pytest
from load_project import LOAD, Project

pytestmark = pytest.mark.e2e

pytest_plugins = ["pytester", "load_project"]

SHORT = LOAD.format(
    name="short", journey="hello", schedule="spread(count=600, duration_s=3)", users=20
)


def run_on_terminal(project: Project, tests: str, *arguments: str, width: int = 130) -> str:
    """Return everything that a session writes to a terminal of a width."""
    project.write(tests)
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "pytest", *project.arguments(*arguments)]
    with subprocess.Popen(
        command,
        cwd=project.path,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": str(width)},
    ):
        os.close(terminal)
        written = b""
        while more := _read(controller):
            written += more
    os.close(controller)
    return written.decode()


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # EIO: the other end is closed
        return b""


def final_screen(written: str) -> str:
    """Return the text that remains on the screen, without colours."""
    lines = [line.split("\x1b[2K")[-1] for line in written.split("\n")]
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(lines))


@pytest.mark.parametrize("arguments", [("-n", "2", "-v"), ()])
def test_progress_is_shown_and_removed(project: Project, arguments: tuple[str, ...]):
    """Time left and percentiles are shown during the load; pytest's own lines remain."""
    written = run_on_terminal(project, SHORT, *arguments)
    assert re.search(r"0:0\d, 0:0\d left, \d+ requests, \d+/s, .* p50 .* p95 .* p99 .* ms", written)
    screen = final_screen(written)
    assert " left, " not in screen
    assert "cooldown" not in screen
    assert "1 passed" in screen
    assert re.search(r"\[gw\d\] \[100%\] PASSED" if arguments else r"\. +\[100%\]", screen)


def test_summary_fits_a_narrow_terminal(project: Project):
    """On 60 columns no line of the load tests is wider, unless it is one word such as a path."""
    screen = final_screen(run_on_terminal(project, SHORT, width=60))
    lines = screen.partition(" load tests ")[2].splitlines()[1:]
    assert any(line.startswith("result ") for line in lines)
    wide = [line for line in map(str.rstrip, lines) if len(line) > 60]
    assert [line for line in wide if " " in line[24:]] == []
