import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import preloaded
import psutil
import pytest

PROGRAM = """
import json, os, signal, sys
print(json.dumps({
    "arguments": sys.argv,
    "command": sys.orig_argv,
    "name": __name__,
    "folder": os.getcwd(),
    "path": sys.path,
    "environment": {name: os.environ.get(name) for name in ("GIVEN", "TZ", "PYTHONPATH")},
    "parent": os.getppid(),
    "leads_session": os.getsid(0) == os.getpid(),
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "input": sys.stdin.read(),
}))
print("to stderr", file=sys.stderr)
sys.exit(7)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="programs start as usual")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with programs that start as forks."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "waiting.py").write_text("import time\nprint(1, flush=True)\ntime.sleep(600)\n")
    end = preloaded.install({"program": ["json"], "waiting": ["json"]})
    yield tmp_path
    end()


def _outcome(folder: Path, program: str) -> tuple[object, ...]:
    done = subprocess.run(
        [sys.executable, "-m", program, "one", "a b"],
        cwd=folder,
        env=os.environ | {"GIVEN": "1", "TZ": "Asia/Kolkata", "PYTHONPATH": "/elsewhere"},
        input="hello",
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    said = json.loads(done.stdout)
    said["arguments"][0] = said["command"][2] = ""  # the names differ
    return said, done.stderr, done.returncode


def test_a_fork_gets_what_a_new_process_gets(folder: Path):
    """A fork has arguments, environment, folder, session and parent like a new process."""
    (folder / "started.py").write_text(PROGRAM)
    assert _outcome(folder, "program") == _outcome(folder, "started")


def test_a_script_gets_what_a_new_process_gets(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A script next to the interpreter starts as a fork, with its arguments and folder."""
    (folder / "python").symlink_to(sys.executable)
    script = folder / "program"
    values = "*sys.argv, sys.path[0], __name__, 'preloaded' in sys.modules"
    # As installers write it where the path of the interpreter has a space.
    head = f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"
    script.write_text(f"{head}import sys\nprint({values})\n")
    script.chmod(0o755)
    started = subprocess.run([script, "a b"], capture_output=True, check=True, text=True)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    forked = subprocess.run([script, "a b"], capture_output=True, check=True, text=True)
    assert started.stdout == f"{script} a b {folder} __main__ False\n"
    assert forked.stdout == started.stdout.replace("False", "True")


def test_a_fork_can_be_interrupted(folder: Path):
    """A fork shows its command line, and ends by SIGINT and SIGKILL like other processes."""
    for number in (signal.SIGINT, signal.SIGKILL):
        command = [sys.executable, "-m", "waiting"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as run:
            assert run.stdout is not None
            assert run.stdout.readline() == "1\n"
            shown = psutil.Process(run.pid).cmdline()
            run.send_signal(number)
            assert run.wait(60) == -number
        assert " ".join(shown) == " ".join(command)  # as one text, see `_show` in fork_server.py


def test_other_programs_start_as_usual(folder: Path):
    """A program starts as usual if its environment has an option of the interpreter."""
    code = "import sys; print('preloaded' in sys.modules)"
    (folder / "program.py").write_text(code)
    for env, expected in (({}, "True"), ({"PYTHONUTF8": "1"}, "False")):
        done = subprocess.run(
            [sys.executable, "-m", "program"],
            cwd=folder,
            env=os.environ | env,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
