"""Every page of straingauge for a browser that needs no server."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from inside_results import inside_result
from sample_results import sample_result
from straingauge.capacity import page as capacity_page
from straingauge.history.page import page as history_page
from straingauge.history.series import trends
from straingauge.live_view.page_files import POLICY, page, static_file
from straingauge.live_view.view import view
from straingauge.report.page import page as report_page

if TYPE_CHECKING:
    from playwright.sync_api import Route

CAPACITY: Final = Path(__file__).parents[2] / "docs" / "capacity.json"
URL: Final = "http://straingauge.test/"
"""The address of a page; the browser's requests are answered by `respond` and never sent."""

CONTRAST: Final = {"runOnly": ["color-contrast"]}
OTHER_RULES: Final = {"rules": {"color-contrast": {"enabled": False}}}
VIOLATIONS: Final = """options =>
    axe.run({ ...options, resultTypes: ["violations"] }).then((found) => found.violations
        .map(({ id, nodes }) => [id, ...nodes.map((node) => node.html)]))"""
"""Runs axe-core with these options; returns each rule that is violated, and where."""

UNFOLD: Final = """() => {
    for (const each of document.querySelectorAll("details")) each.open = true;
    for (const row of document.querySelectorAll("tbody tr:nth-child(n + 4)")) row.remove();
}"""
"""Opens what is folded, and removes repeated rows, which would only take time."""

_LONG: Final = "GET /" + "long" * 40


_START: Final = {"load_started_at": "2026-01-01T12:00:00.250+01:00"}


def _report() -> str:
    """A report with every section, and names that do not fit on a narrow screen."""
    trouble = sample_result(_LONG, trouble=True, message=_LONG)
    return report_page([inside_result(), {**trouble, **_START}])


def _comparison() -> str:
    """Two runs of a test side by side, as after `straingauge ab`."""
    return report_page([sample_result("ab", trouble=True, minute=1), sample_result("ab", minute=2)])


def capacity() -> str:
    """A search for capacity."""
    return capacity_page(json.loads(CAPACITY.read_bytes()))


def history() -> str:
    """Twenty runs with a change of one metric after the twelfth."""
    runs = []
    for number in range(20):
        run = copy.deepcopy(sample_result("nightly"))
        run["started_at"] = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).isoformat()
        run["metrics"]["latency_ms"]["p95"] *= 1.5 if number >= 12 else 1 + number % 3 / 100
        run["environment"] = {**run["environment"], "commit": {"id": f"{number:040x}"}}
        runs.append((run, Path(f"run{number}.json")))
    return history_page(trends(runs))


PAGES: Final[dict[str, Callable[[], str]]] = {
    "report": _report,
    "comparison": _comparison,
    "capacity": capacity,
    "history": history,
    "live page": lambda: page("run"),
    "Locust's tab": lambda: page("locust"),
}
LIVE: Final = ("live page", "Locust's tab")
"""Pages whose script fetches the data."""


def respond(name: str) -> Callable[["Route"], None]:
    """Return a handler of the browser's requests that serves a page with its files and data."""

    def handle(route: "Route") -> None:
        path = route.request.url.partition("?")[0].removeprefix(URL)
        headers = {"Content-Security-Policy": POLICY}
        if not path:
            route.fulfill(body=PAGES[name](), content_type="text/html")
        elif path == "live.json":
            route.fulfill(body=_live_data(), content_type="application/json")
        elif (file := static_file(path.removeprefix("static/"))) is not None:
            route.fulfill(body=file[0], content_type=file[1], headers=headers)
        else:
            route.fulfill(status=404)

    return handle


def _live_data() -> bytes:
    facts = [["rate", "40/s"], ["errors", "4.00%"]]
    data: dict[str, Any] = {
        "state": "running",
        "users": "20 users",
        "finished": False,
        "file": None,
        "refresh_s": 3600,
        "progress": {"phase": "running", "elapsed_s": 20, "duration_s": 60, "facts": facts},
        "view": view({**sample_result(trouble=True), **_START}),
    }
    return orjson.dumps(data)
