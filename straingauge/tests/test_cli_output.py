"""Standard output that cannot take everything a command writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from formats import whole
from straingauge.result.format import write

COMMAND = [sys.executable, "-c", "from straingauge.cli import main; main()", "history"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one result."""
    write(whole(), tmp_path)
    return tmp_path


def test_characters_that_the_encoding_lacks_are_replaced(folder: Path):
    """Bars become question marks where the output's encoding has none, as in a Latin-1 log."""
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [*COMMAND, folder], env=environment, capture_output=True, encoding="latin-1", check=True
    )
    assert "p50_ms" in done.stdout
    assert "?" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_output_is_an_error_in_one_line(folder: Path):
    """A full disk behind standard output is one sentence and exit code 2, not a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, folder], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "straingauge: cannot write to standard output: No space left on device"
    ]


def test_closed_output_is_no_error(folder: Path):
    """A command whose standard output is closed does its work without a traceback."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
