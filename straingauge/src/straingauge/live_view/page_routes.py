"""The routes of the live page of `straingauge run` and pytest."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Final

from straingauge.live_view.loopback_server import Parameters, RefusedError, Reply, Route
from straingauge.live_view.page_data import PageDataCache
from straingauge.live_view.page_files import FRAME_POLICY, page, static_file
from straingauge.report.page import page as report_page

VIEWED_S: Final = 6.0
"""A page that has not asked for this long is closed: it asks every 2 s."""

MAX_FAREWELL_S: Final = 8.0


MAX_VIEWERS: Final = 64


@dataclass(frozen=True, slots=True)
class _Viewer:
    """An open page: when it last asked for data, and whether it has those of the end."""

    asked_s: float
    saw_end: bool


class PageRoutes:
    """Routes of the page, and whether a browser shows it.

    Args:
        data: Its data.
    """

    def __init__(self, data: PageDataCache) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._viewers: dict[str, _Viewer] = {}

    @property
    def is_awaited(self) -> bool:
        """True if an open page has not shown the end of the run."""
        now_s = time.monotonic()
        with self._lock:
            viewers = list(self._viewers.values())
        return any(now_s - each.asked_s < VIEWED_S and not each.saw_end for each in viewers)

    def await_viewers(self) -> None:
        """Wait until open pages have the final state of the run and its report, or are closed."""
        give_up_s = time.monotonic() + MAX_FAREWELL_S
        while self.is_awaited and time.monotonic() < give_up_s:
            time.sleep(0.05)

    def routes(self) -> dict[tuple[str, str], Route]:
        """Return the routes."""
        return {
            ("GET", "/"): Route(lambda _: Reply(page("run"), "text/html")),
            ("GET", "/static/*"): Route(_static),
            ("GET", "/live.json"): Route(self._live),
            ("GET", "/result.json"): Route(self._result),
            ("GET", "/report.html"): Route(self._report),
        }

    def _live(self, parameters: Parameters) -> Reply:
        data = self._data.get()
        saw_end = "seen" in parameters and self._data.finished_run is not None
        name = parameters.get("viewer", "")
        with self._lock:
            if name in self._viewers or len(self._viewers) < MAX_VIEWERS:
                self._viewers[name] = _Viewer(time.monotonic(), saw_end=saw_end)
        return Reply(data.json)

    def _result(self, _: Parameters) -> Reply:
        self._data.get()
        finished = self._data.finished_run
        if finished is None or finished.path is None or not finished.path.is_file():
            raise RefusedError(404, "no result file: the run has not ended, or it was moved")
        name = json.dumps(finished.path.name)
        disposition = {"Content-Disposition": f"attachment; filename={name}"}
        return Reply(finished.path.read_bytes(), headers=disposition)

    def _report(self, _: Parameters) -> Reply:
        self._data.get()
        if self._data.finished_run is None:
            raise RefusedError(404, "no report: the run has not ended")
        # The report has a policy for everything else in itself.
        headers = {"Content-Security-Policy": FRAME_POLICY}
        return Reply(report_page([self._data.finished_run.result]), "text/html", headers=headers)


def _static(parameters: Parameters) -> Reply:
    found = static_file(parameters[""].rpartition("/")[2])
    if found is None:
        raise RefusedError(404, "no such file")
    return Reply(*found)
