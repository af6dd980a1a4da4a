"""What every viewer of the page is shown: composed once for all of them, and not too often."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from gevent.lock import RLock

from straingauge.locust.web.view import view

EVERY_S: Final = 2.0


class FinishedRun(Protocol):
    """A run that has ended."""

    @property
    def result(self) -> Mapping[str, Any]:
        """As in its file."""

    @property
    def path(self) -> Path | None:
        """That file; None where it could not be written."""


class Runs(Protocol):
    """The runs a Locust process sees come and go: what the page asks of its session."""

    @property
    def ended(self) -> FinishedRun | None:
        """The last run that was judged."""

    def result_so_far(self) -> Mapping[str, Any] | None:
        """The run under way, judged by what there is of it; else the last one; None before any."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to be seen now.

    Attributes:
        json: The page's data.
        etag: Equal for equal data.
    """

    json: bytes
    etag: str


class Live:
    """The page's data, asked for and made smaller once in `EVERY_S`, whoever looks on.

    Args:
        runs: Where results come from.
        state: What Locust says it is doing ("ready", "running", "stopped" ...), and its users.
    """

    def __init__(self, runs: Runs, state: Callable[[], tuple[str, int]]) -> None:
        self._runs = runs
        self._state = state
        self._lock = RLock()
        self._due_s = 0.0
        self._told = ""
        self._result: Mapping[str, Any] | None = None
        self._view: Mapping[str, Any] | None = None
        self._shown = Shown(b"", "")

    def shown(self) -> Shown:
        """What a viewer is shown; viewers that come at the same time wait for the same."""
        with self._lock:
            state, users = self._state()
            # A run that begins or ends is told at once.
            if time.monotonic() >= self._due_s or state != self._told:
                self._shown, self._told = self._compose(state, users), state
                self._due_s = time.monotonic() + EVERY_S
            return self._shown

    @property
    def over(self) -> FinishedRun | None:
        """The run that is shown, when it has ended."""
        ended = self._runs.ended
        return ended if ended is not None and ended.result is self._result else None

    def _compose(self, state: str, users: int) -> Shown:
        result = self._runs.result_so_far()
        if result is not self._result:  # one that is over stays the same
            self._view = None if result is None else view(result)
            self._result = result
        over = self.over
        data = {
            "state": state,
            "users": users,
            "over": over is not None,
            "file": over.path.name if over and over.path else None,
            "every_s": EVERY_S,
            "seen": self._view,
        }
        json = orjson.dumps(data)
        return Shown(json, hashlib.sha256(json).hexdigest()[:16])
