"""Standard output that cannot take everything a command writes."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from formats import whole
from straingauge.cli.standard_streams import messages_to
from straingauge.result.format import write

COMMAND = [sys.executable, "-c", "from straingauge.cli import main; main()", "history"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one result."""
    write(whole(), tmp_path)
    return tmp_path


def test_characters_that_the_encoding_lacks_are_replaced(folder: Path):
    """Bars become similar characters where the encoding has none, as in a Latin-1 log."""
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [*COMMAND, folder], env=environment, capture_output=True, encoding="latin-1", check=True
    )
    assert "p50_ms" in done.stdout
    assert "?" not in done.stdout
    assert re.search(r"p50_ms +[_.=+*%#-] ", done.stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", [COMMAND, [*COMMAND[:-1], "--help"]])
def test_full_output_is_an_error_in_one_line(folder: Path, command: list[str]):
    """A full disk behind standard output is one sentence and exit code 2, not a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, folder], stdout=full, stderr=subprocess.PIPE, text=True, check=False
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


def test_a_reader_that_ends_first_has_its_exit_code(folder: Path):
    """A command whose reader has ended, such as head, exits as one that SIGPIPE has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, folder], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_closed_standard_error_keeps_the_exit_code(tmp_path: Path):
    """A command whose standard error is closed has the exit code of its error."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, str(tmp_path / "none")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_messages_that_cannot_be_written_are_dropped():
    """A full disk behind standard error neither raises an error nor stops later messages."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        stream = messages_to(full, sys.__stderr__)
        for number in range(3000):
            assert stream.write(f"load: {number} requests\n")
        stream.flush()
        with pytest.raises(OSError, match="No space left"):
            stream.close()
