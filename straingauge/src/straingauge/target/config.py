"""The configuration of a service stack, read from a `straingauge.toml`.

    app = "main:app"                 # the value of {app}
    python = ".venv/bin/python"      # the value of {python}; default: the Python of straingauge
    workers = 1
    port = 8000                      # 0: any free port
    profile = true                   # false: do not profile the service during a load

    [env]                            # added to the environment of all commands
    DATABASE_URL = "{database_url}"

    [postgres]                       # omit if the service needs no database
    database = "service"
    connections_per_worker = 20
    bin = "/opt/postgresql/bin"      # optional
    restore = false                  # true: each load begins with the rows of the prepare steps

    [postgres.env]                   # for a temporary database, unless set in the environment
    UPLOADS = "{folder}/uploads"     # a folder that is removed with it

    [[prepare]]                      # commands that run in this order before each start
    name = "migrations"
    command = ["{python}", "-m", "alembic", "upgrade", "head"]

    [service]
    command = ["{python}", "-m", "uvicorn", "{app}", "--port", "{port}", "--workers", "{workers}"]
    ready = "/ready"                 # responds with 200 when the service is ready
    ready_within_s = 60
    stop_within_s = 10

    [http]                           # optional: connections to the service; see HttpSettings
    ca_file = "ca.pem"               # authorities to trust in place of the system's
    client_cert = "client.pem"       # the client's certificate; client_key: its key
    server_name = "api.internal"     # name in the certificate, if not the URL's host
    insecure = false                 # true: accept any certificate
    resolve = ["api:443:127.0.0.1"]  # addresses in place of those of DNS
    host_header = "api.example"      # in place of the URL's host and port
    first_byte_timeout_s = 5         # and connect_timeout_s, timeout_s
    unix_socket = "app.sock"         # or proxy = "http://user:password@localhost:3128"
    headers = { X-Tenant = "acme" }  # of each request; ${NAME}: from the environment
    auth = "bearer:env:TOKEN"        # what each request is authorized by
    cookies = "per-user"             # or "per-journey", "off"
    follow_redirects = false         # true: in journeys
    max_redirects = 10               # that may follow one another
    http2 = true                     # if an https service offers it; or "prior-knowledge"

Commands run in the file's folder, and the paths in it are relative to it. `{database_address}` is
the part of `{database_url}` after `postgresql://`, for URLs with a driver, such as
`postgresql+asyncpg://{database_address}`.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from straingauge.errors import UsageError
from straingauge.http.setting_types import Http2Mode
from straingauge.http.settings import HttpSettings
from straingauge.observe.metric_names import MetricNames
from straingauge.target.stack_settings import STACK
from straingauge.text_file import read_toml
from straingauge.toml_value import SettingError

_HINT: Final = "pydoc straingauge.target.config shows a whole file"


@dataclass(frozen=True, slots=True)
class Step:
    """A command that runs before the service starts."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PostgresConfig:
    """The database of the service."""

    database: str
    connections_per_worker: int
    bin: Path | None
    env: Mapping[str, str]
    restore: bool = False


@dataclass(frozen=True, slots=True)
class StackConfig:
    """The configuration of a service and its database."""

    folder: Path
    app: str
    python: Path
    workers: int
    port: int
    profile: bool
    env: Mapping[str, str]
    postgres: PostgresConfig | None
    prepare: tuple[Step, ...]
    command: tuple[str, ...]
    ready: str
    ready_within_s: float
    stop_within_s: float
    http2: Http2Mode | None = None

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read and check a file.

        Raises:
            UsageError: It cannot be read, or a value is missing, unknown or of the wrong type; the
                message names the file and the key.
        """
        path = Path(path).resolve()
        content = read_toml(path, hint="choose a file with --config")
        try:
            values = STACK(content)
        except SettingError as error:
            raise UsageError(f"{path}: {error}", _HINT) from error
        if values["service"] is None:
            raise UsageError(f"{path}: service is missing", _HINT)
        MetricNames.parse(values["observe"], source=str(path))
        http = HttpSettings.parse(values["http"], path)
        return cls._of(values, path.parent, http)

    @classmethod
    def _of(cls, values: Mapping[str, Any], folder: Path, http: HttpSettings) -> Self:
        postgres, service = values["postgres"], values["service"]
        return cls(
            folder=folder,
            app=values["app"],
            # Not resolved: the link in an environment selects the environment.
            python=folder / (values["python"] or sys.executable),
            workers=values["workers"],
            port=values["port"],
            profile=values["profile"],
            env=values["env"],
            postgres=None if postgres is None else _postgres(postgres, folder),
            prepare=tuple(Step(**each) for each in values["prepare"]),
            http2=http.http2,
            **service,
        )


def _postgres(values: Mapping[str, Any], folder: Path) -> PostgresConfig:
    bin_folder = folder / values["bin"] if values["bin"] else None
    return PostgresConfig(**{**values, "bin": bin_folder})
