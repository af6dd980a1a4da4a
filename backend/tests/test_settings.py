import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from app import settings as settings_module
from app.first_file import create_first
from app.settings import Settings, SettingsError, load_settings, markdown_table
from service import BACKEND

URL = "postgresql://ann:secret-word@127.0.0.1:5432/db"
PAGE = BACKEND.parent / "docs" / "therapybridge" / "settings.md"


def test_settings_are_documented():
    """The page of settings contains the table that `python -m app.settings` prints."""
    assert markdown_table() in PAGE.read_text()
    for name in Settings.model_fields:
        assert f"`{name.upper()}`" in PAGE.read_text()


def test_settings_have_descriptions():
    """Each setting has a description that ends with a period."""
    for name, field in Settings.model_fields.items():
        assert field.description is not None, name
        assert field.description.endswith("."), name


def _start(module: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, *module.split()],
        cwd=BACKEND,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("program", ["-m app.serve", "-m app.seed", "-m alembic check"])
def test_missing_setting_is_reported_in_one_line(program: str):
    """Without DATABASE_URL a program exits with one line that has the command to set it."""
    process = _start(program)
    assert process.returncode != 0
    (line,) = process.stderr.strip().splitlines()
    assert "DATABASE_URL is not set; try: export DATABASE_URL=" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://ann:secret-word@127.0.0.1/db"),
        ("DB_POOL_SIZE", "many"),
        ("RATE_LIMIT_DEFAULT", "often"),
        ("RATE_LIMIT_STORAGE", "shelf"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", " " * 40),
        ("LOGIN_TTL_S", "0"),
        ("REFRESH_TOKEN_TTL_S", str(10**15)),
        ("OPENAI_API_KEY", ""),
        ("TRANSCRIBER", "openai"),
    ],
)
def test_invalid_setting_is_named_without_secrets(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    """The error of an invalid setting names it, and contains no password."""
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "secret-word" not in str(caught.value)


def test_repr_contains_no_secrets():
    """The representation of the settings contains neither the password nor the key."""
    text = repr(load_settings(database_url=URL, secret_key="k" * 32))
    assert "secret-word" not in text
    assert "k" * 32 not in text


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_schemes_of_the_database_url_are_accepted(scheme: str):
    """The schemes postgres:// and postgresql:// are both accepted."""
    url = load_settings(database_url=f"{scheme}://ann@127.0.0.1:5433/db").sqlalchemy_url
    assert (url.drivername, url.port, url.database) == ("postgresql+asyncpg", 5433, "db")


def test_key_is_generated_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without SECRET_KEY all workers use one generated key, in a file private to its owner."""
    monkeypatch.setattr(settings_module, "VAR_DIR", tmp_path / "var")
    monkeypatch.delenv("SECRET_KEY", raising=False)
    settings = load_settings(database_url=URL)
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: settings.signing_key(), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    (path,) = (tmp_path / "var").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"\n", b" " * 64, b"short", b"\xff" * 64])
def test_damaged_key_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
):
    """A key file that is empty, too short or no text is an error that names the file."""
    monkeypatch.setattr(settings_module, "VAR_DIR", tmp_path)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"secret\.key .*SECRET_KEY"):
        load_settings(database_url=URL).signing_key()


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EXDEV])
def test_key_is_generated_once_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    """On a file system without hard links the first of two workers' keys is kept as well."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refused)
    for text in ("first", "second"):
        create_first(tmp_path / "secret.key", text)
    assert (tmp_path / "secret.key").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
