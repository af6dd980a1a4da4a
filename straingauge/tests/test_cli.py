import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from formats import whole
from stack_tools import runs, write_stack_config
from straingauge.cli import main
from straingauge.cli.group import Commands
from straingauge.cli.help_sections import FEW, SECTIONS
from straingauge.cli.param_types import Duration
from straingauge.result.format import write

from straingauge import errors

READY = re.compile(r"ready  (http://127\.0\.0\.1:\d+)  pid (\d+)  (.*)\n")


@pytest.fixture(autouse=True)
def _no_database_of_the_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)


def straingauge(*arguments: object) -> subprocess.Popen[str]:
    """Start straingauge."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("straingauge"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("command", [[], *([name] for name in main.commands)])
def test_help_has_usage_and_exit_codes(command: list[str]):
    """The help of each command has its usage and all exit codes."""
    done = CliRunner().invoke(main, [*command, "--help"])
    assert done.exit_code == 0
    assert f"straingauge {' '.join(command)}" in done.output.replace("Usage:", "")
    for kind in (errors.UsageError, errors.TargetError, errors.InvalidRun, errors.Interrupted):
        assert re.search(rf"^ +{kind.exit_code}  +\w+", done.output, re.MULTILINE)


def test_help_imports_no_heavy_modules():
    """`straingauge --help` imports nothing that only commands need."""
    script = (
        "import sys; from straingauge.cli import main; main(['--help'], standalone_mode=False);"
        "print(*{'numpy', 'rich', 'psutil', 'uvloop', 'locust', 'pytest'} & set(sys.modules),"
        " file=sys.stderr, end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "Usage" in done.stdout
    assert done.stderr == ""


def test_a_misspelt_option():
    """A misspelt option ends with 2 and suggests the right one."""
    done = CliRunner().invoke(main, ["serve", "--prot", "1"])
    assert done.exit_code == 2
    assert "--port" in done.output


def test_a_missing_file_is_one_line():
    """An error is printed in one line with a hint, without a traceback."""
    with straingauge("serve", "--config", "nowhere.toml") as process:
        output, stderr = process.communicate()
    assert process.returncode == 2
    assert output == ""
    assert re.fullmatch(r"straingauge: .*nowhere\.toml: cannot be read.*\n  try: .*\n", stderr)


def test_a_service_that_cannot_start(tmp_path: Path):
    """A service that ends at once gives exit code 3, and its log is shown."""
    path = write_stack_config(tmp_path, mode="exit")
    with straingauge("serve", "--config", path) as process:
        output, stderr = process.communicate()
    assert process.returncode == 3
    assert "mode exit" in stderr
    assert "Traceback" not in stderr
    assert output == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_serve_prints_a_ready_line_and_stops_everything(
    tmp_path: Path, number: signal.Signals, code: int
):
    """One line has URL, process and database; Ctrl-C and SIGTERM stop them without output."""
    with straingauge("serve", "--config", write_stack_config(tmp_path, postgres=True)) as process:
        ready = READY.fullmatch(process.stdout.readline())
        assert ready
        assert ready[3].startswith("postgresql://straingauge:")
        assert runs(int(ready[2]))
        process.send_signal(number)
        output, stderr = process.communicate()
    assert process.returncode == code
    assert output == ""
    assert stderr == "starting PostgreSQL\nstarting the service\n"
    assert not runs(int(ready[2]))


def test_ctrl_c_while_the_service_starts(tmp_path: Path):
    """An interrupt before the service is ready stops it, too."""
    path = write_stack_config(tmp_path, mode="unready")
    with straingauge("serve", "--config", path) as process:
        assert process.stderr.readline() == "starting the service\n"
        process.send_signal(signal.SIGINT)
        output, stderr = process.communicate()
    assert process.returncode == 130
    assert (output, stderr) == ("", "")


def test_the_password_of_a_database_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The ready line shows the user's database without its password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@elsewhere/data")
    path = write_stack_config(tmp_path, postgres=True)
    with straingauge("serve", "--config", path, "--", "true") as process:
        output, stderr = process.communicate()
    assert "postgresql://me:***@elsewhere/data" in output
    assert "hunter2" not in output + stderr


def test_serve_has_the_exit_code_of_its_command(tmp_path: Path):
    """`straingauge serve -- COMMAND` ends when the command does, with its exit code."""
    path = write_stack_config(tmp_path)
    script = "import sys, urllib.request as u; sys.exit(u.urlopen(sys.argv[1]).status - 193)"
    with straingauge("serve", "--config", path, "--", sys.executable, "-c", script, "{url}") as run:
        run.communicate()
    assert run.returncode == 7


def test_report_shows_a_result_file(tmp_path: Path):
    """Name, verdict and metrics of a run are shown; a critical verdict does not fail `report`."""
    path = write(whole(name="quick_reads"), tmp_path)
    done = CliRunner(env={"COLUMNS": "120"}).invoke(main, ["report", str(path)])
    assert done.exit_code == 0
    assert re.search(r"quick_reads +critical +800", done.output)


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 999}'])
def test_report_refuses_other_files(tmp_path: Path, text: str):
    """A file that is no result ends with 2 and is named."""
    path = tmp_path / "other.json"
    path.write_text(text)
    done = CliRunner().invoke(main, ["report", str(path)])
    assert done.exit_code == 2
    assert f"straingauge: {path}: " in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("1d", 86400), ("1m 30s", 90), ("250ms", 0.25), ("2", 2), ("1.5h", 5400)],
)
def test_times_have_units(text: str, seconds: float):
    """A time is a number of seconds, or one or several numbers with units."""
    assert Duration().convert(text, None, None) == seconds


def test_an_interrupted_command_says_that_there_is_no_result():
    """A command that is interrupted before it has a result says so, and exits with 130."""

    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def start() -> None:
        raise KeyboardInterrupt

    outcome = CliRunner().invoke(group, ["start"])
    assert outcome.exit_code == 130
    assert outcome.stderr == "straingauge: interrupted: there is no result\n"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_of_many_options_has_sections(name: str):
    """Each option of a long help is in one section, and only --help is in none."""
    command = main.commands[name]
    shown_options = (each for each in command.params if not getattr(each, "hidden", False))
    options = [each.opts[0] for each in shown_options if isinstance(each, click.Option)]
    many = len(options) > FEW
    text = CliRunner().invoke(main, [name, "--help"]).stdout
    _, _, listed = text.partition("What is loaded:" if many else "Options:")
    shown = re.findall(r"^  (-[-\w]+)", listed, re.MULTILINE)
    assert sorted(shown) == sorted([*options, "-h"])
    if many:
        assert listed.partition("Other:")[2].split()[0] == "-h,"


def test_sections_have_options_that_exist():
    """No section lists an option that no command has, or one of another section."""
    existing = {opt for each in main.commands.values() for one in each.params for opt in one.opts}
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(set(listed)) == sorted(listed)
    assert set(listed) <= existing
