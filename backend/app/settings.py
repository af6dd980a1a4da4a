"""Every setting of the service, read once from the environment (or `backend/.env`).

`python -m app.settings` prints them as the Markdown table that `docs/guide.md` carries.
"""

import os
import secrets
import sys
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from limits import parse as parse_rate
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

BACKEND_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BACKEND_DIR / "var"


class SettingsError(SystemExit):
    """A setting is missing or wrong: the program ends with one line, and no traceback."""


def _rate(value: str) -> str:
    parse_rate(value)
    return value


def _postgres_url(value: SecretStr) -> SecretStr:
    scheme = urlsplit(value.get_secret_value()).scheme
    if scheme not in {"postgresql", "postgres"}:
        raise ValueError("must look like postgresql://user:password@127.0.0.1:5432/database")
    return value


Rate = Annotated[str, AfterValidator(_rate)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]


class Settings(BaseSettings):
    """The settings, each under its name in capitals as an environment variable."""

    model_config = SettingsConfigDict(
        env_file=BACKEND_DIR / ".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: PostgresUrl = Field(
        description="PostgreSQL 14 or later: `postgresql://user:password@host:port/database`."
    )
    db_pool_size: int = Field(
        10, ge=5, le=20, description="Connections each worker keeps open, 5 to 20."
    )
    db_max_overflow: int = Field(
        10, ge=0, le=100, description="Further connections a worker may open at a peak."
    )
    db_pool_timeout: float = Field(
        2.0, gt=0, le=60, description="Seconds a request waits for a connection; then it is a 503."
    )
    db_pool_max_waiters: int = Field(
        200,
        ge=0,
        description="Requests that may wait for a connection at once; the next is a 503 at once.",
    )
    db_connect_timeout: float = Field(
        3.0, gt=0, le=60, description="Seconds to open a connection; then the database is away."
    )

    secret_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs access tokens, 32 characters or more. Unset: a key is made once and kept"
        " in `backend/var/secret.key`, readable by its owner only.",
    )
    access_token_ttl_s: int = Field(1800, ge=1, description="Seconds an access token is good for.")
    refresh_token_ttl_s: int = Field(
        14 * 86400, ge=1, description="Seconds a refresh token is good for."
    )

    rate_limit_enabled: bool = Field(default=True, description="Whether requests are limited.")
    rate_limit_default: Rate = Field(
        "100/minute", description="All of `/api/` together, by user (by address without a token)."
    )
    rate_limit_login: Rate = Field("5/minute", description="Logins, by account and address.")
    rate_limit_signup: Rate = Field("20/hour", description="Sign-ups, by address.")
    rate_limit_upload: Rate = Field("30/minute", description="Uploads, by user.")
    rate_limit_storage: str = Field(
        "memory",
        pattern=r"^(memory|postgres|rediss?://.+)$",
        description="Where the counts are kept: `memory` (each worker counts for itself),"
        " `postgres` (shared), or `redis://host:port` (shared).",
    )
    trust_forwarded_for: bool = Field(
        default=False,
        description="Take a client's address from the last entry of `X-Forwarded-For`. Only behind"
        " a proxy of your own that sets it.",
    )

    job_worker: bool = Field(
        default=True, description="Start the job worker as a child of the service."
    )
    job_heartbeat_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="Seconds after which the jobs of a silent (killed) worker are taken up again.",
    )
    storage_dir: Path = Field(VAR_DIR / "audio", description="Where uploaded audio is kept.")
    max_upload_bytes: int = Field(
        100 * 1024 * 1024, ge=1024, description="Largest upload, in bytes; a larger one is a 413."
    )
    transcriber: Literal["offline", "openai"] = Field(
        "offline", description="What turns speech into text."
    )
    note_extractor: Literal["offline", "openai"] = Field(
        "offline", description="What turns a transcript into notes."
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1", description="Any endpoint that speaks the OpenAI protocol."
    )
    openai_api_key: SecretStr | None = Field(None, description="Its key.")
    openai_transcription_model: str = Field(
        "whisper-1", description="Its model for speech to text."
    )
    openai_notes_model: str = Field("gpt-4o-mini", description="Its model for notes.")

    log_dir: Path = Field(BACKEND_DIR / "logs", description="Where `app.log` is written.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least level that is logged."
    )
    log_max_bytes: int = Field(
        10_000_000, ge=1000, description="Size at which `app.log` is rotated, in bytes."
    )
    log_backups: int = Field(5, ge=1, description="Rotated log files that are kept.")

    @model_validator(mode="after")
    def _openai_needs_a_key(self) -> Self:
        if "openai" in {self.transcriber, self.note_extractor} and self.openai_api_key is None:
            raise ValueError("TRANSCRIBER or NOTE_EXTRACTOR is openai: set OPENAI_API_KEY")
        return self

    @property
    def sqlalchemy_url(self) -> URL:
        """`DATABASE_URL` for SQLAlchemy with asyncpg, whatever its scheme said."""
        return make_url(self.driver_url).set(drivername="postgresql+asyncpg")

    @property
    def driver_url(self) -> str:
        """`DATABASE_URL` for asyncpg itself."""
        return self.database_url.get_secret_value()

    def signing_key(self) -> str:
        """The key that signs access tokens; the same for all workers on this machine."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return _kept_key(VAR_DIR / "secret.key")


def _kept_key(path: Path) -> str:
    """Read the key file, making it first if there is none.

    Workers start at the same moment: each writes a file of its own and links it to the name, which
    succeeds for exactly one of them and never shows a half-written key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, own = tempfile.mkstemp(dir=path.parent)  # of mode 600
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):  # another worker was first: its key is the one
            path.hardlink_to(own)
        Path(own).unlink()
    return path.read_text()


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings once.

    Raises:
        SettingsError: when one is missing or wrong; says which and how to set it.
    """
    return load_settings()


def load_settings(**given: Any) -> Settings:  # noqa: ANN401 -- pydantic checks each value
    """Read the settings, those given here before those in the environment.

    Raises:
        SettingsError: when one is missing or wrong; says which and how to set it.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    wrong = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        name = "_".join(str(part) for part in item["loc"]).upper()
        if item["type"] == "missing":
            wrong.append(f"{name} is not set")
        else:
            wrong.append(f"{name or 'settings'}: {item['msg'].removeprefix('Value error, ')}")
    hint = ""
    if any(text.startswith("DATABASE_URL") for text in wrong):
        hint = "; try: export DATABASE_URL=postgresql://user:password@127.0.0.1:5432/therapybridge"
    return "; ".join(wrong) + hint


def markdown_table() -> str:
    """The settings as a Markdown table, for `docs/guide.md`."""
    rows = ["| setting | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        if field.is_required():
            default = "(required)"
        else:
            value = field.default
            if isinstance(value, Path):
                value = f"backend/{value.relative_to(BACKEND_DIR)}"
            default = "(unset)" if value is None else f"`{value}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(markdown_table() + "\n")
