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

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from straingauge.errors import UsageError
from straingauge.http.settings import HttpSettings
from straingauge.text_file import read_toml

KNOWN = ("app", "database_address", "database_url", "folder", "port", "python", "workers")
PLACEHOLDER = re.compile(rf"\{{({'|'.join(KNOWN)})\}}")
ANY_PLACEHOLDER = re.compile(r"\{(\w+)\}")


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

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read and check a file.

        Raises:
            UsageError: It cannot be read, or a value is missing, unknown or of the wrong type; the
                message names the file and the key.
        """
        path = Path(path).resolve()
        top = _Table(path, "", read_toml(path, hint="choose a file with --config"))
        config = cls._from_tables(path, top, top.table("service"))
        top.texts("observe")  # names of metrics, for straingauge.observe
        if top.has("scenario"):
            top.any("scenario")  # scenarios of a load, for straingauge.cli.scenario_file
        if top.has("http"):
            HttpSettings.parse(top.any("http"), path)
        top.end()
        return config

    @classmethod
    def _from_tables(cls, path: Path, top: "_Table", service: "_Table") -> Self:
        postgres = top.table("postgres") if top.has("postgres") else None
        config = cls(
            folder=path.parent,
            app=top.text("app", ""),
            # Not resolved: the link in an environment selects the environment.
            python=path.parent / top.text("python", sys.executable),
            workers=top.whole("workers", 1, at_least=1),
            port=top.whole("port", 0, at_least=0, at_most=65535),
            profile=top.flag("profile", default=True),
            env=top.texts("env"),
            postgres=_postgres(postgres) if postgres else None,
            prepare=tuple(_step(table) for table in top.tables("prepare")),
            command=service.command("command"),
            ready=service.path_text("ready", "/"),
            ready_within_s=service.whole("ready_within_s", 60, at_least=1),
            stop_within_s=service.whole("stop_within_s", 10, at_least=1),
        )
        service.end()
        return config


def _postgres(table: "_Table") -> PostgresConfig:
    named = table.text("bin", "")
    config = PostgresConfig(
        table.text("database", "service"),
        table.whole("connections_per_worker", 20, at_least=1),
        table.path.parent / named if named else None,
        table.texts("env"),
        table.flag("restore", default=False),
    )
    table.end()
    return config


def _step(table: "_Table") -> Step:
    step = Step(table.text("name"), table.command("command"))
    table.end()
    return step


class _Table:
    """A table of the file; each value is taken by name and type, and none may remain."""

    def __init__(self, path: Path, name: str, values: dict[str, Any]) -> None:
        self.path = path
        self._name = name
        self._values = dict(values)

    def has(self, key: str) -> bool:
        return key in self._values

    def any(self, key: str) -> object:
        return self._values.pop(key)

    def text(self, key: str, default: str | None = None) -> str:
        return str(self._take(key, str, "a string", default))

    def path_text(self, key: str, default: str) -> str:
        value = self.text(key, default)
        if not value.startswith("/"):
            raise self._wrong(key, f'must be a path that begins with "/", and is {value!r}')
        return value

    def whole(self, key: str, default: int, *, at_least: int, at_most: int | None = None) -> int:
        value = int(self._take(key, int, "a whole number", default))
        if at_most is not None and value > at_most:
            raise self._wrong(key, f"must be at most {at_most}, and is {value}")
        if value < at_least:
            raise self._wrong(key, f"must be at least {at_least}, and is {value}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._values.pop(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "must be true or false")
        return value

    def texts(self, key: str) -> dict[str, str]:
        values: dict[str, Any] = self._take(key, dict, "a table", {})
        for name, value in values.items():
            if not isinstance(value, str):
                raise self._wrong(f"{key}.{name}", "must be a string")
            self._check_placeholders(f"{key}.{name}", value)
        return values

    def command(self, key: str) -> tuple[str, ...]:
        words: list[Any] = self._take(key, list, "a list of strings", None)
        if not words or not all(isinstance(word, str) for word in words):
            raise self._wrong(key, "must be a list of strings, the program first")
        for word in words:
            self._check_placeholders(key, word)
        return tuple(words)

    def table(self, key: str) -> "_Table":
        return _Table(self.path, self._full(key), self._take(key, dict, "a table", None))

    def tables(self, key: str) -> list["_Table"]:
        values: list[Any] = self._take(key, list, "a list of tables", [])
        if not all(isinstance(value, dict) for value in values):
            raise self._wrong(key, "must be a list of tables: [[prepare]]")
        return [_Table(self.path, f"{key}[{i}]", value) for i, value in enumerate(values)]

    def end(self) -> None:
        """Reject unknown keys, because a misspelt one would be ignored."""
        for key in self._values:
            raise self._wrong(key, "is not a setting")

    def _take(self, key: str, kind: type, kind_name: str, default: Any) -> Any:  # noqa: ANN401 - a TOML value has any type until it is checked here
        value = self._values.pop(key, default)
        if value is None:
            raise self._wrong(key, "is missing")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._wrong(key, f"must be {kind_name}")
        return value

    def _check_placeholders(self, key: str, text: str) -> None:
        for name in ANY_PLACEHOLDER.findall(text):
            if name not in KNOWN:
                known = ", ".join(f"{{{each}}}" for each in KNOWN)
                raise self._wrong(key, f"has the unknown placeholder {{{name}}}; known: {known}")

    def _full(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _wrong(self, key: str, what: str) -> UsageError:
        return UsageError(
            f"{self.path}: {self._full(key)} {what}",
            "pydoc straingauge.target.config shows a whole file",
        )
