"""Where the service is: named by the user, found at the usual place, or started."""

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

USUAL = "http://localhost:8000"
STAND_FILE = "straingauge.toml"
PROBE_S = 5.0


class ServiceLocator:
    """Finds the service once for a whole session, and stops what it had to start.

    Args:
        given: The address the user has given, if any.
        say: Is told what is being started, for people who wait.
        option: By which option it is given.

    Attributes:
        named: The address that was named by the user or by ``API_BASE_URL``, if any.
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
        """The service's base address, without a slash at its end.

        Args:
            test_file: straingauge.toml is searched from its folder upwards.

        Raises:
            UsageError: The address that was named is none.
            TargetError: Nothing answers there, or the stand could not be started.
        """
        if self._found is None:
            self._found = self._named_address() or self._usual_or_started(test_file)
        return self._found

    def database(self) -> str | None:
        """The database of the stand that was started; None when none was."""
        return self._database_url

    def close(self) -> None:
        """Stop the stand, where one was started, or will have been by another thread."""
        self._closed = True
        self._stack.close()

    def _named_address(self) -> str | None:
        if self.named is None:
            return None
        url = self.named.rstrip("/")
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number
            usable = False
        if not usable:
            raise UsageError(
                f"{self._by}: {self.named!r} is no address", hint=f"write it as {USUAL}"
            )
        refusal = refused(url)
        if refusal:
            raise TargetError(
                f"nothing answers at {url} ({refusal})",
                hint=f"start the service there, or leave {self._by} away to have one started",
            )
        return url

    def _usual_or_started(self, test_file: Path) -> str:
        refusal = refused(USUAL)
        if refusal is None:
            return USUAL
        description = find_upwards(test_file, STAND_FILE)
        if description is None:
            raise TargetError(
                f"nothing answers at {USUAL} ({refusal}), and no {STAND_FILE} says what to start",
                hint=f"start the service, or name it: {self._option} http://HOST:PORT",
            )
        from straingauge.target import ServiceStack

        self._say(f"nothing answers at {USUAL}: starting what {description} describes")
        stand = ServiceStack.from_file(description, port=0, say=self._say)
        url = self._stack.enter_context(stand).url
        if self._closed:
            self._stack.close()
            raise TargetError("the session ended before the service was started")
        self._database_url = stand.database_url
        return url


def refused(url: str) -> str | None:
    """Why nothing can be sent to `url`; None when something listens there."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=PROBE_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def find_upwards(path: Path, name: str) -> Path | None:
    """The file `name` in the folder of `path` or the nearest one above it."""
    return next((folder / name for folder in path.parents if (folder / name).is_file()), None)


def metric_names_for(path: Path) -> "MetricNames":
    """What the service calls its figures: ``[observe]`` of the nearest straingauge.toml.

    Raises:
        UsageError: That table is not as it should be.
    """
    from straingauge.observe import MetricNames

    description = find_upwards(path, STAND_FILE)
    if description is None:
        return MetricNames()
    try:
        content = tomllib.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{description}: cannot be read: {error}") from error
    return MetricNames.parse(content.get("observe", {}), source=str(description))
