"""The HTTP routes of straingauge's tab in Locust's page."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from counting_service import Service, counting_service
from locust_page import USERS, Page, Response, locust_page

pytestmark = pytest.mark.serial  # a late generator would make the run invalid

LIVE = "/straingauge/live.json"
RESULT = "/straingauge/result.json"
REPORT = "/straingauge/report.html"
VIEWERS, REQUESTS = 20, 25


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The service under load."""
    with counting_service() as running:
        yield running


@pytest.fixture(scope="module")
def page(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One Locust process for all tests of this module, which follow one run."""
    with locust_page(tmp_path_factory.mktemp("page"), service.url) as running:
        yield running


@pytest.fixture(scope="module")
def before(page: Page) -> dict[str, Response]:
    """Responses before any run."""
    return {path: page.get(path) for path in ("/", "/straingauge/", LIVE, RESULT)}


@dataclass
class During:
    """Responses during a run.

    Attributes:
        all: Data for many concurrent viewers.
        took_s: Duration of their requests.
        one: Data for the next viewer.
        file: Response to a request of the result file.
        report: Response to a request of the report.
    """

    all: list[Response]
    took_s: float
    one: Response
    file: Response
    report: Response


@pytest.fixture(scope="module")
def during(page: Page, before: dict[str, Response]) -> During:
    """A run in progress that has some requests."""
    assert before  # was requested first
    page.start()
    page.until(lambda live: live["view"] and len(live["view"]["endpoints"]) == 3)
    page.until(lambda live: live["view"]["run"]["requests"] > 100)
    began_s = time.monotonic()
    with ThreadPoolExecutor(VIEWERS) as viewers:
        found = list(viewers.map(page.get, [LIVE] * VIEWERS * REQUESTS))
    took_s = time.monotonic() - began_s
    return During(found, took_s, page.get(LIVE), page.get(RESULT), page.get(REPORT))


@pytest.fixture(scope="module")
def after(page: Page, during: During) -> dict[str, Response]:
    """Responses after that run."""
    assert during  # was requested first
    page.stop()
    return {"live": page.get(LIVE), "file": page.get(RESULT), "report": page.get(REPORT)}


def test_locusts_page_has_the_tab(before: dict[str, Response]):
    """Locust's page lists the tab and loads its script."""
    html = before["/"].body.decode()
    assert '"extended_tabs": [{"key": "straingauge", "title": "Verdict"}]' in html
    assert 'src="./straingauge/static/tab.js"></script></body>' in html


def test_there_is_no_data_before_a_run(before: dict[str, Response]):
    """Before a run there is no view and no file, and the error says so."""
    live = before[LIVE].json
    assert (live["state"], live["view"], live["finished"], live["file"]) == (
        "ready",
        None,
        False,
        None,
    )
    assert before[RESULT].status == 404
    assert "no result file" in before[RESULT].json["error"]


def test_page_needs_nothing_from_other_hosts(page: Page, before: dict[str, Response]):
    """The policy restricts the page to its server, which has all its files."""
    response = before["/straingauge/"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    for name in ("live.css", "live.js", "report.css", "report.js", "dom.js", "tab.js"):
        text = page.get(f"/straingauge/static/{name}").body.decode()
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert page.get("/straingauge/static/blueprint.py").status == 404


def test_each_endpoint_has_its_verdict(during: During):
    """During a run each endpoint is judged by its thresholds, the worst first."""
    view = during.one.json["view"]
    grades = [(each["name"], each["grade"]) for each in view["endpoints"]]
    assert grades == [
        ("GET /broken", "critical"),
        ("GET /timed", "target"),
        ("GET /<b>odd</b>", "not_judged"),
    ]
    threshold, floor = view["endpoints"][0]["thresholds"]
    assert threshold["text"] == "errors 100 %, critical from 2 %"
    assert floor["text"].startswith("none of ")
    assert view["verdict"]["grade"] == "critical"
    assert "errors " in view["diagnosis"]["first"]["message"]


def test_resources_are_shown_during_the_run(during: During):
    """Server-Timing, memory and pool of the service are shown during the run."""
    view = during.one.json["view"]
    timed = next(each for each in view["endpoints"] if each["name"] == "GET /timed")
    assert {part["name"] for part in timed["parts"]} == {"db", "app", "unattributed"}
    groups = {group["title"]: dict(group["metrics"]) for group in view["resources"]}
    assert groups["Connection pool"]["peak in use"] == "0 of 7"
    assert groups["Service"]["memory"].endswith(" MB")
    titles = {chart["title"] for chart in view["charts"]}
    assert {"Response time", "Requests per second", "Errors", "Memory of the service"} <= titles


def test_viewers_share_the_data(during: During):
    """The data is built at most once in two seconds, for any number of viewers and requests."""
    etags = {response.headers["ETag"] for response in during.all}
    assert len(during.all) == VIEWERS * REQUESTS
    assert len(etags) <= 2 + during.took_s / 2


def test_unchanged_data_is_not_sent_again(page: Page, after: dict[str, Response]):
    """A viewer that has the data gets 304 without a body."""
    again = page.get(LIVE, **{"If-None-Match": after["live"].headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_result_file_is_offered_after_the_run(
    page: Page, during: During, after: dict[str, Response]
):
    """There is no file during the run; at its end it is served byte for byte."""
    assert during.file.status == 404
    assert after["live"].json["finished"]
    (file,) = (page.folder / "results").glob("metrics_*.json")
    assert after["live"].json["file"] == file.name
    assert after["file"].body == file.read_bytes()
    assert file.name in after["file"].headers["Content-Disposition"]


def test_data_of_a_finished_run_equals_its_file(after: dict[str, Response]):
    """The page shows the values of the result file."""
    view, result = after["live"].json["view"], json.loads(after["file"].body)
    assert view["run"]["requests"] == result["metrics"]["total_requests"]
    assert view["verdict"]["grade"] == result["verdict"]["grade"] == "critical"


def test_report_is_offered_after_the_run(during: During, after: dict[str, Response]):
    """The report is served as a page once the run has ended."""
    assert during.report.status == 404
    assert after["report"].status == 200
    assert "GET /broken" in after["report"].body.decode()


def test_next_run_replaces_the_last(page: Page, after: dict[str, Response]):
    """A second run shows its data, without the file of the first."""
    page.start()
    first_start = after["live"].json["view"]["run"]["started_at"]
    live = page.until(lambda now: now["view"] and now["view"]["run"]["started_at"] != first_start)
    page.stop()
    assert (live["file"], live["finished"]) == (None, False)


LOGIN = (
    USERS
    + """
from locust import events

@events.init.add_listener
def require_login(environment, **_):
    environment.web_ui.app.secret_key = "a secret"
    environment.web_ui.login_manager.user_loader(lambda user: None)
"""
)


def test_page_requires_locusts_login(service: Service, tmp_path: Path):
    """If Locust's page requires a login, so do straingauge's routes."""
    with locust_page(tmp_path, service.url, "--web-login", users=LOGIN) as page:
        responses = {path: page.get(path) for path in ("/", "/straingauge/", LIVE, RESULT, REPORT)}
    assert {path: response.status for path, response in responses.items()} == dict.fromkeys(
        responses, 302
    )
    assert all("/login" in response.headers["Location"] for response in responses.values())


BROKEN = (
    USERS
    + """
from straingauge.live_view import page_data

def view(result):
    raise RuntimeError("injected")

page_data.view = view
"""
)


def test_an_error_of_the_page_is_logged_once(service: Service, tmp_path: Path):
    """An error in building the data is sent to each viewer and logged once; the run goes on."""
    with locust_page(tmp_path, service.url, base="/load", users=BROKEN) as page:
        page.start()
        failed = page.until(lambda live: "error" in live)
        assert "RuntimeError: injected" in failed["error"]
        assert page.get(LIVE).status == 500
        assert page.log.count("cannot build the page's data: RuntimeError: injected") == 1
        before = service.counts()
        page.wait(service.counts, lambda now: now["/timed"] > before["/timed"])
