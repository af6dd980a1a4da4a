"""The data of the live page, built once for all viewers and at most every two seconds."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from straingauge.live_view.view import view
from straingauge.number_text import count

REFRESH_S: Final = 2.0


class FinishedRun(Protocol):
    """A run that has ended."""

    @property
    def result(self) -> Mapping[str, Any]:
        """Its result, with the verdict."""

    @property
    def path(self) -> Path | None:
        """The result file; None if it could not be written."""


class RunSource(Protocol):
    """The runs of a process, as `straingauge.locust.session.Session` has them."""

    @property
    def finished_run(self) -> FinishedRun | None:
        """The last run that has ended."""

    def live_result(self) -> Mapping[str, Any] | None:
        """Return the result of the run in progress, or of the last one; None before the first."""


@dataclass(frozen=True, slots=True)
class PageData:
    """The data that every viewer is sent.

    Attributes:
        json: The data.
        etag: Equal for equal data.
    """

    json: bytes
    etag: str


class PageDataCache:
    """Builds the page's data at most once per `REFRESH_S`, however many viewers there are.

    Args:
        runs: Source of the results.
        get_state: Returns the state ("ready", "running", "stopped", ...) and number of users.
        get_progress: Returns phase, time and rates of the run, as `runner.live_run` has them.
    """

    def __init__(
        self,
        runs: RunSource,
        get_state: Callable[[], tuple[str, int]],
        get_progress: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> None:
        self._runs = runs
        self._get_state = get_state
        self._get_progress = get_progress
        self._lock = threading.RLock()  # of gevent, where that has patched the standard library
        self._next_build_s = 0.0
        self._state = ""
        self._result: Mapping[str, Any] | None = None
        self._view: Mapping[str, Any] | None = None
        self._data = PageData(b"", "")

    def get(self) -> PageData:
        """Return the data; concurrent viewers wait for the same build."""
        with self._lock:
            state, users = self._get_state()
            # The start and the end of a run are shown at once.
            if time.monotonic() >= self._next_build_s or state != self._state:
                self._data, self._state = self._build(state, users), state
                self._next_build_s = time.monotonic() + REFRESH_S
            return self._data

    @property
    def finished_run(self) -> FinishedRun | None:
        """The run on the page, if it has ended."""
        finished = self._runs.finished_run
        return finished if finished is not None and finished.result is self._result else None

    def _build(self, state: str, users: int) -> PageData:
        result = self._runs.live_result()
        if result is not self._result:  # the result of a finished run stays the same
            self._view = None if result is None else view(result)
            self._result = result
        finished = self.finished_run
        data = {
            "state": state,
            "users": count(users, "user"),
            "finished": finished is not None,
            "file": finished.path.name if finished and finished.path else None,
            "refresh_s": REFRESH_S,
            "progress": self._get_progress(),
            "view": self._view,
        }
        json = orjson.dumps(data)
        return PageData(json, hashlib.sha256(json).hexdigest()[:16])
