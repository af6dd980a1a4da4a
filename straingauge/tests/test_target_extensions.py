"""A missing extension is named, and an installed PostgreSQL that has it is found."""

from pathlib import Path

import pytest
from straingauge.errors import TargetError
from straingauge.target import service_stack
from straingauge.target.config import StackConfig
from straingauge.target.extensions import MissingExtensionError, folder_with, missing_extension
from straingauge.target.service_stack import ServiceStack

LOG = """
ERROR:  relation "users" does not exist
ERROR:  extension "uuid-ossp" is not available
DETAIL:  Could not open extension control file ".../uuid-ossp.control": No such file or directory.
"""


def test_the_log_of_the_server_names_the_extension(tmp_path: Path):
    """A service may hide the error, PostgreSQL's log does not."""
    log = tmp_path / "log"
    log.write_text(LOG)
    assert missing_extension(log) == "uuid-ossp"
    log.write_text('ERROR:  extension "pg_trgm" already exists')
    assert missing_extension(log) is None


def test_an_installed_server_with_the_extension_is_found(tmp_path: Path):
    """The first folder of programs whose server has the extension is used."""
    folders = [tmp_path / "14" / "bin", tmp_path / "17" / "bin"]
    (tmp_path / "17" / "share" / "extension").mkdir(parents=True)
    (tmp_path / "17" / "share" / "extension" / "no-such.control").touch()
    assert folder_with("no-such", folders) == folders[1]
    assert folder_with("nor-this", folders) is None


@pytest.mark.parametrize("installed", [None, Path("/opt/postgresql/bin")])
def test_a_stack_starts_again_with_an_installed_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path | None
):
    """Without one, the error says what to install."""
    monkeypatch.delenv("STRAINGAUGE_POSTGRES_BIN", raising=False)
    file = tmp_path / "straingauge.toml"
    file.write_text('[postgres]\n[service]\ncommand = ["true"]\n')
    started: list[Path | None] = []

    def start(_stack: ServiceStack, binaries: Path | None = None) -> None:
        started.append(binaries)
        if binaries is None:
            raise MissingExtensionError(TargetError("migrations failed"), "uuid-ossp")

    monkeypatch.setattr(ServiceStack, "_start", start)
    monkeypatch.setattr(service_stack, "folder_with", lambda _extension: installed)
    said: list[str] = []
    stack = ServiceStack(StackConfig.from_file(file), say=said.append)
    if installed is None:
        with pytest.raises(TargetError, match="lacks the extension uuid-ossp") as caught:
            stack.__enter__()
        assert "STRAINGAUGE_POSTGRES_BIN" in str(caught.value.hint)
        return
    assert stack.__enter__() is stack
    assert started == [None, installed]
    assert said == [f"the extension uuid-ossp is missing: starting with {installed} instead"]
