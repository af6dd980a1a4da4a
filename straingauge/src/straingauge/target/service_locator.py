"""The location of the service: named by the user, the default URL, or started here."""

import os
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from straingauge.errors import TargetError, UsageError
from straingauge.http.address import require_no_account
from straingauge.http.blocking import BlockingConnection
from straingauge.http.proxy import ProxyError
from straingauge.http.settings import HttpSettings
from straingauge.http.tls import handshake_advice
from straingauge.text_file import read_toml

if TYPE_CHECKING:
    from straingauge.observe import MetricNames
    from straingauge.target import ServiceStack
    from straingauge.target.started_service import StartedService

DEFAULT_URL = "http://localhost:8000"
CONFIG_FILE = "straingauge.toml"
PROBE_TIMEOUT_S = 5.0
_DEFAULTS: Final = HttpSettings()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection fails.

    Attributes:
        reason: The reason, as text.
        advice: What to do about it; None if that is not known.
    """

    reason: str
    advice: str | None = None

    def __str__(self) -> str:
        return self.reason


class ServiceLocator:
    """Locates the service once per session, and stops it if it was started here.

    Args:
        given: The URL that the user has given, if any.
        say: Called with a line for each step of starting a service.
        option: The option by which the URL is given.
        restore: Restore the database before each load; see `begin_load`.
        http: Returns settings of connections, in place of those of the nearest straingauge.toml.

    Attributes:
        named: The URL given by the user or by ``API_BASE_URL``, if any.
    """

    def __init__(
        self,
        given: str | None,
        say: Callable[[str], None],
        *,
        option: str,
        http: Callable[[], HttpSettings] = HttpSettings,
        restore: bool = False,
    ) -> None:
        self.named = given or os.environ.get("API_BASE_URL") or None
        self._option = option
        self._by = option if given else "API_BASE_URL"
        self._say = say
        self._stack = ExitStack()
        self._closed = False
        self._found: str | None = None
        self._http = http
        self._restore = restore
        self._service_stack: ServiceStack | None = None
        self._loads = 0
        self._started: StartedService | None = None

    def find(self, test_file: Path, http: HttpSettings = _DEFAULTS) -> str:
        """Return the base URL of the service, without a slash at its end.

        Args:
            test_file: straingauge.toml is searched from its folder upwards.
            http: Settings of connections of the load, which come before that file's.

        Raises:
            UsageError: The given URL is invalid.
            TargetError: No service responds there, or it could not be started.
        """
        if self._found is None:
            self._require_own_database()
            settings = self._http().over(http).over(http_settings_for(test_file))
            self._found = self._named_address(settings) or self._default_or_started(
                test_file, settings
            )
        return self._found

    def started(self) -> "StartedService | None":
        """Return the service if it was started here."""
        return self._started

    def begin_load(self) -> bool:
        """Restore the database if a load has used it, and return whether it was restored.

        Raises:
            TargetError: The service does not start again.
        """
        stack, self._loads = self._service_stack, self._loads + 1
        if stack is None or not stack.is_restorable or self._loads == 1:
            return False
        stack.restore()
        self._started = stack.started
        return True

    def close(self) -> None:
        """Stop the service if it was started here, or is being started by another thread."""
        self._closed = True
        self._stack.close()

    def _require_own_database(self) -> None:
        """Refuse to restore a database that was not started here.

        Raises:
            UsageError: The user names a service or a database.
        """
        by = self._by if self.named else "DATABASE_URL"
        if self._restore and (self.named or os.environ.get("DATABASE_URL")):
            raise UsageError(
                f"only a database that is started here is restored, and {by} names another one",
                hint=f"leave out {by}, so that the service of {CONFIG_FILE} is started",
            )

    def _named_address(self, settings: HttpSettings) -> str | None:
        if self.named is None:
            return None
        require_no_account(self.named)
        url = self.named.rstrip("/")
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # an invalid port
            usable = False
        if not usable:
            raise UsageError(
                f"{self._by}: {self.named!r} is not a URL", hint=f"write it as {DEFAULT_URL}"
            )
        refusal = refused(url, settings)
        if refusal:
            raise TargetError(
                f"nothing responds at {url} ({refusal})",
                hint=refusal.advice
                or f"start the service there, or check the URL (http or https, host, port) in"
                f" {self._by}",
            )
        return url

    def _default_or_started(self, test_file: Path, settings: HttpSettings) -> str:
        refusal = refused(DEFAULT_URL)
        description = find_stack(test_file)
        if description is None:
            self._require_named(refusal)
            raise TargetError(
                f"nothing responds at {DEFAULT_URL} ({refusal}), and no {CONFIG_FILE} describes a"
                " service",
                hint=f"start the service, or name it: {self._option} http://HOST:PORT",
            )
        from straingauge.target import ServiceStack
        from straingauge.target.config import StackConfig
        from straingauge.target.readiness import status_of

        found = f"nothing responds at {DEFAULT_URL}"
        if refusal is None and not self._restore:
            ready = f"{DEFAULT_URL}{StackConfig.from_file(description).ready}"
            status = status_of(ready, settings.http2)
            if status == "200":
                return DEFAULT_URL
            problem = f"status {status}" if status.isdigit() else status
            found = f"{DEFAULT_URL} is not this service, or not ready (GET {ready}: {problem})"
        self._say(f"{found}: starting what {description} describes")
        stack = ServiceStack.from_file(
            description, port=0, restore=self._restore, http2=settings.http2, say=self._say
        )
        url = self._stack.enter_context(stack).url
        if self._closed:
            self._stack.close()
            raise TargetError("the session ended before the service was started")
        self._started, self._service_stack = stack.started, stack
        return url

    def _require_named(self, refusal: Refusal | None) -> None:
        """Refuse to send load to whatever happens to listen at the default URL."""
        if refusal is None:
            raise UsageError(
                f"no service is named: there is no {CONFIG_FILE} that describes one, and nothing"
                f" says that {DEFAULT_URL} is the service to test",
                hint=f"if it is, name it: {self._option} {DEFAULT_URL}",
            )


def refused(url: str, settings: HttpSettings | None = None) -> Refusal | None:
    """Return why a connection to `url`, with TLS for https, fails; None if it succeeds.

    Raises:
        UsageError: A file of the settings cannot be used.
    """
    connection = BlockingConnection(url, settings or HttpSettings(), PROBE_TIMEOUT_S)
    try:
        connection.connect()
        connection.close()
    except ProxyError as error:
        return Refusal(str(error), "check --proxy URL, or proxy in [http] of straingauge.toml")
    except ssl.SSLError as error:
        return Refusal(f"the TLS handshake failed: {error}", handshake_advice(error))
    except OSError as error:
        return Refusal(error.strerror or str(error))
    return None


def find_upwards(path: Path, name: str) -> Path | None:
    """Return the file `name` in the folder of `path`, or the nearest one above it."""
    return next((folder / name for folder in path.parents if (folder / name).is_file()), None)


def find_stack(path: Path) -> Path | None:
    """Return the nearest straingauge.toml, if it describes a service and not only how to reach it.

    Raises:
        UsageError: It cannot be read.
    """
    description = find_upwards(path, CONFIG_FILE)
    return description if description and "service" in read_toml(description) else None


def http_settings_for(path: Path) -> HttpSettings:
    """Return the settings of connections: ``[http]`` of the nearest straingauge.toml.

    Raises:
        UsageError: That table is invalid.
    """
    description = find_upwards(path, CONFIG_FILE)
    if description is None:
        return HttpSettings()
    return HttpSettings.parse(read_toml(description).get("http", {}), source=description)


def metric_names_for(path: Path) -> "MetricNames":
    """Return the names of the service's metrics: ``[observe]`` of the nearest straingauge.toml.

    Raises:
        UsageError: That table is invalid.
    """
    from straingauge.observe import MetricNames

    description = find_upwards(path, CONFIG_FILE)
    if description is None:
        return MetricNames()
    content = read_toml(description)
    return MetricNames.parse(content.get("observe", {}), source=str(description))
