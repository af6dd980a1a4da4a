"""The location of the service: named by the user, the default URL, or started here."""

import os
import socket
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from straingauge.errors import TargetError, UsageError

if TYPE_CHECKING:
    from straingauge.observe import MetricNames

DEFAULT_URL = "http://localhost:8000"
CONFIG_FILE = "straingauge.toml"
PROBE_TIMEOUT_S = 5.0


class ServiceLocator:
    """Locates the service once per session, and stops it if it was started here.

    Args:
        given: The URL that the user has given, if any.
        say: Called with a line for each step of starting a service.
        option: The option by which the URL is given.

    Attributes:
        named: The URL given by the user or by ``API_BASE_URL``, if any.
    """

    def __init__(self, given: str | None, say: Callable[[str], None], *, option: str) -> None:
        self.named = given or os.environ.get("API_BASE_URL") or None
        self._option = option
        self._by = option if given else "API_BASE_URL"
        self._say = say
        self._stack = ExitStack()
        self._closed = False
        self._found: str | None = None
        self._database_url: str | None = None

    def find(self, test_file: Path) -> str:
        """Return the base URL of the service, without a slash at its end.

        Args:
            test_file: straingauge.toml is searched from its folder upwards.

        Raises:
            UsageError: The given URL is invalid.
            TargetError: No service responds there, or it could not be started.
        """
        if self._found is None:
            self._found = self._named_address() or self._default_or_started(test_file)
        return self._found

    def database(self) -> str | None:
        """Return the database of the service that was started; None if none was."""
        return self._database_url

    def close(self) -> None:
        """Stop the service if it was started here, or is being started by another thread."""
        self._closed = True
        self._stack.close()

    def _named_address(self) -> str | None:
        if self.named is None:
            return None
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
        refusal = refused(url)
        if refusal:
            raise TargetError(
                f"nothing answers at {url} ({refusal})",
                hint=f"start the service there, or leave {self._by} away to have one started",
            )
        return url

    def _default_or_started(self, test_file: Path) -> str:
        refusal = refused(DEFAULT_URL)
        if refusal is None:
            return DEFAULT_URL
        description = find_upwards(test_file, CONFIG_FILE)
        if description is None:
            raise TargetError(
                f"nothing answers at {DEFAULT_URL} ({refusal}), and there is no {CONFIG_FILE}",
                hint=f"start the service, or name it: {self._option} http://HOST:PORT",
            )
        from straingauge.target import ServiceStack

        self._say(f"nothing answers at {DEFAULT_URL}: starting what {description} describes")
        stack = ServiceStack.from_file(description, port=0, say=self._say)
        url = self._stack.enter_context(stack).url
        if self._closed:
            self._stack.close()
            raise TargetError("the session ended before the service was started")
        self._database_url = stack.database_url
        return url


def refused(url: str) -> str | None:
    """Return why a connection to `url` fails; None if it succeeds."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=PROBE_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def find_upwards(path: Path, name: str) -> Path | None:
    """Return the file `name` in the folder of `path`, or the nearest one above it."""
    return next((folder / name for folder in path.parents if (folder / name).is_file()), None)


def metric_names_for(path: Path) -> "MetricNames":
    """Return the names of the service's metrics: ``[observe]`` of the nearest straingauge.toml.

    Raises:
        UsageError: That table is invalid.
    """
    from straingauge.observe import MetricNames

    description = find_upwards(path, CONFIG_FILE)
    if description is None:
        return MetricNames()
    try:
        content = tomllib.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{description}: cannot be read: {error}") from error
    return MetricNames.parse(content.get("observe", {}), source=str(description))
