import re
import sys
import textwrap
from pathlib import Path

import pytest
from straingauge.errors import UsageError
from straingauge.target import StackConfig, config

SERVICE = '[service]\ncommand = ["serve"]\n'


def read(folder: Path, text: str) -> StackConfig:
    """Write a configuration file and read it."""
    path = folder / "straingauge.toml"
    path.write_text(text)
    return StackConfig.from_file(path)


def test_the_documented_example_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The example in the module's documentation is valid and has the documented meaning."""
    monkeypatch.setenv("TOKEN", "of-the-example")
    example = re.search(r"\n\n((?:    .*\n|\n)+)", config.__doc__ or "")
    assert example
    stack = read(tmp_path, textwrap.dedent(example[1]))
    assert (stack.app, stack.workers, stack.port) == ("main:app", 1, 8000)
    assert stack.env == {"DATABASE_URL": "{database_url}"}
    assert stack.postgres
    assert stack.postgres.connections_per_worker == 20
    assert [step.name for step in stack.prepare] == ["migrations"]
    assert (stack.ready, stack.ready_within_s, stack.stop_within_s) == ("/ready", 60, 10)
    assert stack.folder == tmp_path
    assert stack.python == tmp_path / ".venv/bin/python"


def test_only_the_command_is_required(tmp_path: Path):
    """All other settings have a default; no database is started by default."""
    stack = read(tmp_path, SERVICE)
    assert stack.postgres is None
    assert stack.port == 0
    assert stack.ready == "/"
    assert stack.python == Path(sys.executable)
    assert stack.profile
    assert not read(tmp_path, f"profile = false\n{SERVICE}").profile


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers = \n", "not valid TOML: .*line 1"),
        ("", "service is missing"),
        ("[service]", r"service\.command is missing"),
        ("[service]\ncommand = 'serve'", r"service\.command must be a list of strings"),
        ("[service]\ncommand = []", r"service\.command must be a list of strings"),
        ("[service]\ncommand = [1]", r"service\.command must be a list of strings"),
        (
            "[service]\ncommand = ['{prot}']",
            r"service\.command has the unknown .*\{prot\}.*\{port\}",
        ),
        (f"wrokers = 2\n{SERVICE}", "wrokers is not a setting"),
        (f"workers = 0\n{SERVICE}", "workers must be at least 1, and is 0"),
        (f"workers = true\n{SERVICE}", "workers must be a whole number"),
        (f"port = '8000'\n{SERVICE}", "port must be a whole number"),
        (f"{SERVICE}raedy = '/'", r"service\.raedy is not a setting"),
        (f"{SERVICE}ready_within_s = 0", r"service\.ready_within_s must be at least 1"),
        (f"[env]\nA = 1\n{SERVICE}", r"env\.A must be a string"),
        (f"[env]\nA = '{{b}}'\n{SERVICE}", r"env\.A has the unknown placeholder \{b\}"),
        (f"postgres = 1\n{SERVICE}", "postgres must be a table"),
        (f"[postgres]\nversion = 18\n{SERVICE}", r"postgres\.version is not a setting"),
        (f"[prepare]\nname = 'x'\n{SERVICE}", "prepare must be a list of tables"),
        (f"prepare = [1]\n{SERVICE}", "prepare must be a list of tables"),
        (f"[[prepare]]\ncommand = ['x']\n{SERVICE}", r"prepare\[0\]\.name is missing"),
    ],
)
def test_errors_name_file_and_key(tmp_path: Path, text: str, message: str):
    """The message of each error has the file and the key."""
    with pytest.raises(UsageError, match=f"(?s){re.escape(str(tmp_path))}.*{message}"):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path):
    """The error for a missing file names the option."""
    with pytest.raises(UsageError, match=r"nowhere\.toml: cannot be read") as error:
        StackConfig.from_file(tmp_path / "nowhere.toml")
    assert "--config" in str(error.value.hint)
