import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from formats import whole
from stack_tools import runs, write_stack_config
from straingauge.cli import main
from straingauge.result.format import write

from straingauge import errors

READY = re.compile(r"ready  (http://127\.0\.0\.1:\d+)  pid (\d+)  (.*)\n")


@pytest.fixture(autouse=True)
def _no_database_of_the_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)


def straingauge(*arguments: object) -> subprocess.Popen[str]:
    """The command as a user starts it."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("straingauge"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("command", [[], *([name] for name in main.commands)])
def test_help_teaches(command: list[str]):
    """The help of the whole and of every command shows a use of it and all exit codes."""
    answer = CliRunner().invoke(main, [*command, "--help"])
    assert answer.exit_code == 0
    assert f"straingauge {' '.join(command)}" in answer.output.replace("Usage:", "")
    for kind in (errors.UsageError, errors.TargetError, errors.InvalidRun, errors.Interrupted):
        assert re.search(rf"^ +{kind.exit_code}  +\w+", answer.output, re.MULTILINE)


def test_help_loads_nothing_heavy():
    """`straingauge --help` is quick because it imports nothing that only commands need."""
    script = (
        "import sys; from straingauge.cli import main; main(['--help'], standalone_mode=False);"
        "print(*{'numpy', 'rich', 'psutil', 'uvloop', 'locust', 'pytest'} & set(sys.modules),"
        " file=sys.stderr, end='')"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Usage" in ran.stdout
    assert ran.stderr == ""


def test_a_wrong_option_is_wrong_usage():
    """A misspelt option ends with 2 and points at the help."""
    answer = CliRunner().invoke(main, ["serve", "--prot", "1"])
    assert answer.exit_code == 2
    assert "--port" in answer.output


def test_a_missing_file_is_one_clear_line():
    """An error is printed in one line with a hint, without a traceback."""
    with straingauge("serve", "--config", "nowhere.toml") as process:
        output, complaint = process.communicate()
    assert process.returncode == 2
    assert output == ""
    assert re.fullmatch(r"straingauge: .*nowhere\.toml cannot be read.*\n  try: .*\n", complaint)


def test_a_stand_that_cannot_start_ends_with_3(tmp_path: Path):
    """A service that ends at once makes the exit code 3, and its log is shown."""
    path = write_stack_config(tmp_path, mode="exit")
    with straingauge("serve", "--config", path) as process:
        output, complaint = process.communicate()
    assert process.returncode == 3
    assert "mode exit" in complaint
    assert "Traceback" not in complaint
    assert output == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_stand_says_when_it_is_ready_and_stops_everything(
    tmp_path: Path, number: signal.Signals, code: int
):
    """One line tells address, process and database; Ctrl-C and SIGTERM end all of it, quietly."""
    with straingauge("serve", "--config", write_stack_config(tmp_path, postgres=True)) as process:
        ready = READY.fullmatch(process.stdout.readline())
        assert ready
        assert ready[3].startswith("postgresql://straingauge:")
        assert runs(int(ready[2]))
        process.send_signal(number)
        output, complaint = process.communicate()
    assert process.returncode == code
    assert output == ""
    assert complaint == "starting PostgreSQL\nstarting the service\n"
    assert not runs(int(ready[2]))


def test_ctrl_c_while_a_stand_starts_stops_what_has_started(tmp_path: Path):
    """An interrupt before the service is ready ends it too."""
    path = write_stack_config(tmp_path, mode="unready")
    with straingauge("serve", "--config", path) as process:
        assert process.stderr.readline() == "starting the service\n"
        process.send_signal(signal.SIGINT)
        output, complaint = process.communicate()
    assert process.returncode == 130
    assert (output, complaint) == ("", "")


def test_the_password_of_a_database_that_was_given_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The ready line tells the user's own database without its password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@elsewhere/data")
    path = write_stack_config(tmp_path, postgres=True)
    with straingauge("serve", "--config", path, "--", "true") as process:
        output, complaint = process.communicate()
    assert "postgresql://me:***@elsewhere/data" in output
    assert "hunter2" not in output + complaint


def test_the_exit_code_of_a_command_is_the_stands(tmp_path: Path):
    """`straingauge serve -- COMMAND` ends when the command does, with its code."""
    path = write_stack_config(tmp_path)
    script = "import sys, urllib.request as u; sys.exit(u.urlopen(sys.argv[1]).status - 193)"
    with straingauge("serve", "--config", path, "--", sys.executable, "-c", script, "{url}") as ran:
        ran.communicate()
    assert ran.returncode == 7


def test_a_report_shows_what_a_result_file_holds(tmp_path: Path):
    """Name, verdict and statistics of a run are shown from its file, with exit code 0."""
    path = write(whole(name="quick_reads"), tmp_path)
    answer = CliRunner(env={"COLUMNS": "120"}).invoke(main, ["report", str(path)])
    assert answer.exit_code == 0
    assert re.search(r"quick_reads +critical +800", answer.output)


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 999}'])
def test_a_report_of_something_else_is_one_clear_line(tmp_path: Path, text: str):
    """A file that is no result ends with 2 and is named."""
    path = tmp_path / "other.json"
    path.write_text(text)
    answer = CliRunner().invoke(main, ["report", str(path)])
    assert answer.exit_code == 2
    assert f"straingauge: {path}: " in answer.output
    assert "Traceback" not in answer.output
