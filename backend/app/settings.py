"""Settings of the service, read once from the environment or `backend/.env`.

`python -m app.settings` prints them as the Markdown table of `docs/therapybridge/settings.md`.
"""

import secrets
import sys
import tempfile
from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

from app.first_file import create_first
from app.setting_types import (
    MIN_KEY_LENGTH,
    Networks,
    PostgresUrl,
    Proxies,
    Rate,
    SecretKey,
    parse_networks,
)

BACKEND_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BACKEND_DIR / "var"

_YEAR_S = 366 * 86400


class SettingsError(SystemExit):
    """A setting is missing or invalid. The program exits with one line and no traceback."""


class Settings(BaseSettings):
    """The settings. Each is the environment variable of its upper-case name."""

    model_config = SettingsConfigDict(
        env_file=BACKEND_DIR / ".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: PostgresUrl = Field(
        description="PostgreSQL 14 or later: `postgresql://user:password@host:port/database`."
    )
    db_pool_size: int = Field(
        10, ge=5, le=20, description="Connections that each worker keeps open, 5 to 20."
    )
    db_max_overflow: int = Field(
        10, ge=0, le=100, description="Additional connections per worker during a peak."
    )
    db_pool_timeout: float = Field(
        2.0, gt=0, le=60, description="Seconds to wait for a pooled connection before a 503."
    )
    db_pool_max_waiters: int = Field(
        200,
        ge=0,
        description="Requests that may wait for a connection; further ones get a 503 at once.",
    )
    db_connect_timeout: float = Field(
        3.0, gt=0, le=60, description="Seconds to wait for a new connection before a 503."
    )

    db_transaction_pooler: bool | None = Field(
        None,
        description="The database is behind a pooler in transaction mode, such as PgBouncer: no"
        " statement is prepared, and the job worker polls. If unset, a pooler is detected at the"
        " first connection. Set it to false for a pooler in session mode.",
    )

    secret_key: SecretKey | None = Field(
        None,
        description="Signs access tokens, 32 characters or more. If unset, a key is generated once"
        " and stored in `backend/var/secret.key`, readable by its owner only.",
    )
    access_token_ttl_s: int = Field(
        1800, ge=1, le=_YEAR_S, description="Lifetime of an access token, in s."
    )
    refresh_token_ttl_s: int = Field(
        14 * 86400, ge=1, le=_YEAR_S, description="Lifetime of a refresh token, in s."
    )
    # NIST SP 800-63B (AAL1): authenticate again at least once per 30 days.
    login_ttl_s: int = Field(
        30 * 86400,
        ge=1,
        le=_YEAR_S,
        description="Lifetime of a login, in s. It needs the password again afterwards, however"
        " often its refresh tokens were exchanged.",
    )

    rate_limit_enabled: bool = Field(default=True, description="Enables rate limits.")
    rate_limit_default: Rate = Field(
        "100/minute", description="Limit of `/api/` per user (per address without a token)."
    )
    rate_limit_login: Rate = Field(
        "5/minute", description="Limit of logins per account and address."
    )
    # One address may be that of a clinic with a hundred people, of whom one in ten mistypes twice
    # within ten minutes. A stranger there has 4,320 guesses a day, over all accounts.
    rate_limit_failed_logins_by_address: Rate = Field(
        "30/10minute", description="Limit of refused logins per address, over all accounts."
    )
    # OWASP ASVS 4.0.3, 2.2.1, allows 100 failed attempts per hour on one account.
    rate_limit_failed_logins_by_account: Rate = Field(
        "100/hour",
        description="Limit of failed logins per account, over all addresses; it does not apply to"
        " addresses from which the account has logged in during the last 30 days.",
    )
    # At 20 to 30 ms each on two cores, the last of 100 waits for one to two seconds.
    password_queue_max: int = Field(
        100,
        ge=1,
        description="Logins and sign-ups that may wait to be hashed, per worker; addresses take"
        " turns, and further requests of the address with the most get a 503.",
    )
    rate_limit_signup: Rate = Field("20/hour", description="Limit of sign-ups per address.")
    rate_limit_upload: Rate = Field("30/minute", description="Limit of uploads per user.")
    rate_limit_storage: str = Field(
        "memory",
        pattern=r"^(memory|postgres|rediss?://.+)$",
        description="Storage of the counters: `memory` (separate for each worker), `postgres`"
        " (shared), or `redis://host:port` (shared).",
    )
    trusted_proxies: Proxies = Field(
        "",
        description="Proxies whose `X-Forwarded-For` is used: comma-separated addresses and"
        " networks, and `unix` for connections over a Unix socket. Their last entry that is not"
        " such a proxy is the client. `Forwarded` and uvicorn's `FORWARDED_ALLOW_IPS` have no"
        " effect.",
    )

    monitoring_networks: Networks = Field(
        "127.0.0.0/8,::1",
        description="Networks, separated by commas, from which `/metrics`, `/docs`, `/redoc` and"
        " `/openapi.json` can be read, by direct connections only.",
    )

    job_worker: bool = Field(
        default=True, description="Starts the job worker as a child process of the service."
    )
    job_heartbeat_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="Seconds without a heartbeat after which the jobs of a worker are retried.",
    )
    job_max_attempts: int = Field(
        4,
        ge=1,
        le=20,
        description="Attempts at a job, including those that ended with their worker; then the"
        " session fails. Stopping the service does not use one up.",
    )
    storage_dir: Path = Field(
        VAR_DIR / "audio", description="Directory of uploaded audio, one for each database."
    )
    orphaned_audio_days: float = Field(
        30.0,
        ge=1,
        description="Days after which a recording that seems to belong to no session is deleted;"
        " until then it is in `orphaned/` of `STORAGE_DIR`.",
    )
    max_upload_bytes: int = Field(
        100 * 1024 * 1024, ge=1024, description="Largest upload in bytes; a larger one is a 413."
    )
    max_recording_s: int = Field(
        4 * 3600,
        ge=1,
        description="Longest recording in seconds, as far as its header states the length; a"
        " longer one is a 422. The default is a half-day group session.",
    )
    account_storage_bytes: int = Field(
        500 * 10**9,
        ge=1024,
        description="Bytes of recordings that an account can store; more are a 413. The default is"
        " three years of 30 hours per week as WAV (16 kHz, mono).",
    )
    account_day_s: int = Field(
        24 * 3600,
        ge=1,
        description="Seconds of recordings that an account can upload per day (UTC); more are a"
        " 429. The default is a day: one therapist cannot record more.",
    )
    decoder_memory_bytes: int = Field(
        512 * 1024 * 1024,
        ge=256 * 1024 * 1024,
        description="Memory of one offline decoder in bytes; a recording that needs more fails.",
    )
    transcriber: Literal["offline", "openai"] = Field(
        "offline", description="Provider that transcribes recordings."
    )
    note_extractor: Literal["offline", "openai"] = Field(
        "offline", description="Provider that extracts notes."
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1", description="Base URL of an OpenAI-compatible API."
    )
    openai_api_key: SecretStr | None = Field(None, min_length=1, description="API key of that API.")
    openai_transcription_model: str = Field(
        "whisper-1", description="Model for transcription with that API."
    )
    openai_notes_model: str = Field("gpt-4o-mini", description="Model for notes with that API.")

    metrics_dir: Path | None = Field(
        None,
        description="Directory in which each service creates one for its metrics; if unset, that"
        " for temporary files. A memory file system is best.",
    )

    log_dir: Path = Field(BACKEND_DIR / "logs", description="Directory of `app.log`.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged."
    )
    log_max_bytes: int = Field(
        10_000_000, ge=1000, description="Size in bytes at which `app.log` is rotated."
    )
    log_backups: int = Field(5, ge=1, description="Number of rotated log files to keep.")

    @model_validator(mode="after")
    def _openai_needs_a_key(self) -> Self:
        if "openai" in {self.transcriber, self.note_extractor} and self.openai_api_key is None:
            raise ValueError("TRANSCRIBER or NOTE_EXTRACTOR is openai: set OPENAI_API_KEY")
        return self

    @cached_property
    def monitoring_addresses(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`MONITORING_NETWORKS`, parsed."""
        return parse_networks(self.monitoring_networks)

    @property
    def metrics_parent(self) -> Path:
        """`METRICS_DIR`, or the directory for temporary files."""
        if self.metrics_dir is not None:
            return self.metrics_dir
        try:
            return Path(tempfile.gettempdir())
        except FileNotFoundError:  # no such directory is writable
            return VAR_DIR / "metrics"

    @property
    def sqlalchemy_url(self) -> URL:
        """`DATABASE_URL` for SQLAlchemy with asyncpg."""
        return make_url(self.driver_url).set(drivername="postgresql+asyncpg")

    @property
    def driver_url(self) -> str:
        """`DATABASE_URL` for asyncpg."""
        return self.database_url.get_secret_value()

    def signing_key(self) -> str:
        """Return the key that signs access tokens, the same for all workers on this machine.

        Raises:
            SettingsError: The file of the generated key is damaged or cannot be used.
        """
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return _load_or_create_key(VAR_DIR / "secret.key")


def _load_or_create_key(path: Path) -> str:
    """Read the key file; create it if it does not exist.

    Workers start at the same time, and exactly one of them creates it.

    Raises:
        SettingsError: The file is too short to be a key, or cannot be read or written.
    """
    try:
        if not path.exists():
            create_first(path, secrets.token_urlsafe(48))
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be used as the key: {error}; set SECRET_KEY") from None
    if len(key) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"{path} holds no key: {len(key)} characters of at least {MIN_KEY_LENGTH}; delete it to"
            " generate a new key, which invalidates all access tokens, or set SECRET_KEY"
        )
    return key


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings on the first call and return the same object afterwards.

    Raises:
        SettingsError: A setting is missing or invalid; the message says which.
    """
    return load_settings()


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 -- pydantic checks each value
    """Read the settings; arguments take precedence over the environment.

    Raises:
        SettingsError: A setting is missing or invalid; the message says which.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        name = "_".join(str(part) for part in item["loc"]).upper()
        if item["type"] == "missing":
            problems.append(f"{name} is not set")
        else:
            problems.append(f"{name or 'settings'}: {item['msg'].removeprefix('Value error, ')}")
    hint = ""
    if any(text.startswith("DATABASE_URL") for text in problems):
        hint = "; try: export DATABASE_URL=postgresql://user:password@127.0.0.1:5432/therapybridge"
    return "; ".join(problems) + hint


def markdown_table() -> str:
    """Return the settings as a Markdown table, for `docs/therapybridge/settings.md`."""
    rows = ["| setting | default | description |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        if field.is_required():
            default = "(required)"
        else:
            value = field.default
            if isinstance(value, Path):
                value = f"backend/{value.relative_to(BACKEND_DIR)}"
            default = "(unset)" if value in {None, ""} else f"`{value}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(markdown_table() + "\n")
