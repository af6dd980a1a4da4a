import re
import textwrap
from pathlib import Path

import pytest
from straingauge.errors import UsageError
from straingauge.target import StackConfig, config

SERVICE = '[service]\ncommand = ["serve"]\n'


def read(folder: Path, text: str) -> StackConfig:
    """The configuration in a file of this text."""
    path = folder / "straingauge.toml"
    path.write_text(text)
    return StackConfig.from_file(path)


def test_the_documented_file_can_be_read(tmp_path: Path):
    """The example in the module's documentation is a valid file, and means what it says."""
    example = re.search(r"\n\n((?:    .*\n|\n)+)", config.__doc__ or "")
    assert example
    stand = read(tmp_path, textwrap.dedent(example[1]))
    assert (stand.app, stand.workers, stand.port) == ("main:app", 1, 8000)
    assert stand.env == {"DATABASE_URL": "{database_url}"}
    assert stand.postgres
    assert stand.postgres.connections_per_worker == 20
    assert [step.name for step in stand.prepare] == ["migrations"]
    assert (stand.ready, stand.ready_within_s, stand.stop_within_s) == ("/ready", 60, 10)
    assert stand.folder == tmp_path


def test_a_command_is_all_that_is_needed(tmp_path: Path):
    """Everything but the service's command has a default; no database is started unasked."""
    stand = read(tmp_path, SERVICE)
    assert stand.postgres is None
    assert stand.port == 0
    assert stand.ready == "/"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("workers = \n", "is not TOML: .*line 1"),
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
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, complaint: str):
    """Whatever is wrong in the file, the message leads to it."""
    with pytest.raises(UsageError, match=f"(?s){re.escape(str(tmp_path))}.*{complaint}"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    """A wrong path is an error that names the option."""
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read") as caught:
        StackConfig.from_file(tmp_path / "nowhere.toml")
    assert "--config" in str(caught.value.hint)
