import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from app import settings as settings_module
from app.settings import Settings, SettingsError, load_settings, markdown_table
from service import BACKEND

URL = "postgresql://ann:secret-word@127.0.0.1:5432/db"
GUIDE = BACKEND.parent / "docs" / "guide.md"


def test_every_setting_is_in_the_guide():
    """The guide's table of settings is the one that `python -m app.settings` prints."""
    assert markdown_table() in GUIDE.read_text()
    for name in Settings.model_fields:
        assert f"`{name.upper()}`" in GUIDE.read_text()


def test_every_setting_says_what_it_is():
    """Each setting has a description that ends as a sentence does."""
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


@pytest.mark.parametrize("program", ["-m uvicorn app.main:app", "-m app.seed", "-m alembic check"])
def test_a_missing_setting_is_one_line(program: str):
    """Without DATABASE_URL a program ends with one line that says what to type next."""
    ended = _start(program)
    assert ended.returncode != 0
    (line,) = ended.stderr.strip().splitlines()
    assert "DATABASE_URL is not set; try: export DATABASE_URL=" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://ann:secret-word@127.0.0.1/db"),
        ("DB_POOL_SIZE", "many"),
        ("RATE_LIMIT_DEFAULT", "often"),
        ("RATE_LIMIT_STORAGE", "shelf"),
        ("SECRET_KEY", "short"),
        ("TRANSCRIBER", "openai"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secret(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    """A wrong setting is named, and no password is shown."""
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "secret-word" not in str(caught.value)


def test_secrets_do_not_show():
    """Printing the settings shows neither the database's password nor the key."""
    shown = repr(load_settings(database_url=URL, secret_key="k" * 32))
    assert "secret-word" not in shown
    assert "k" * 32 not in shown


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_spellings_of_a_database_address_will_do(scheme: str):
    """postgres:// and postgresql:// both lead to asyncpg."""
    url = load_settings(database_url=f"{scheme}://ann@127.0.0.1:5433/db").sqlalchemy_url
    assert (url.drivername, url.port, url.database) == ("postgresql+asyncpg", 5433, "db")


def test_the_key_is_made_once_and_is_the_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without SECRET_KEY all workers sign with one key, in a file that only its owner reads."""
    monkeypatch.setattr(settings_module, "VAR_DIR", tmp_path / "var")
    monkeypatch.delenv("SECRET_KEY", raising=False)
    settings = load_settings(database_url=URL)
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: settings.signing_key(), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    (path,) = (tmp_path / "var").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
