"""Options of `straingauge replay`, before anything is sent."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from straingauge.cli import main
from straingauge.cli.options import RunOptions
from straingauge.cli.replay_options import ReplayOptions
from straingauge.replay import LogSource, log_size

LINE = '192.0.2.1 - - [10/Oct/2026:13:55:10 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8"\n'
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of one request, in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "access.log"
    path.write_text(LINE)
    return path


def replay(*arguments: object) -> Result:
    """Call the command for a host at which nothing listens."""
    return CliRunner().invoke(main, ["replay", *map(str, arguments), "--host", NOWHERE])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "2", "--rate", "5"], "--speed and --rate both set when requests are sent"),
        (["--from", "soon"], "'soon' is no time in a log"),
        (["--from", "13:00", "--to", "12:00"], "--to must be later than --from"),
        (["--map", "ids.py"], "--map 'ids.py' names no function"),
        (["--map", "none.py:change"], "none.py: there is no such file"),
        (["--map", "empty.py:change"], "empty.py has no function change"),
        (["--map", "bad.py:change"], "--map failed at line 1 (GET /): KeyError: 'x'"),
        (["--speed", "0"], "--speed"),
        (["--name", ""], "cannot be the name of a run"),
        (["--from", "14:00"], "no request is left to send"),
    ],
)
def test_wrong_options(log: Path, arguments: list[str], message: str):
    """A wrong option ends with 2 and one clear error; nothing is written."""
    log.with_name("empty.py").touch()
    log.with_name("bad.py").write_text("def change(request):\n    return {}['x']\n")
    done = replay(log, *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not log.with_name("results").exists()


def test_processes_have_time_to_read_a_log(log: Path, monkeypatch: pytest.MonkeyPatch):
    """Processes that read a large log may connect later than others."""
    options = ReplayOptions(source=LogSource(path=log, size_bytes=log_size(log)))
    monkeypatch.setattr(options.recording.summary, "read_s", 50.0)
    assert options.preparation_s == 200
    assert RunOptions(gets=("/",)).preparation_s == 0


def test_a_log_that_is_mostly_garbage(log: Path):
    """A log with more garbage than requests ends with 2."""
    log.write_text(LINE + "x\ny\n")
    done = replay(log)
    assert done.exit_code == 2
    assert "2 of 3 lines are not in the format" in done.stderr


def test_another_host_must_be_allowed(log: Path):
    """Load goes to another machine only if the user names it."""
    arguments = ["replay", str(log), "--host", "http://192.0.2.1"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "192.0.2.1 is not this machine" in done.stderr
    assert "replay   1 request, 1 session, 1 s" in done.stderr
