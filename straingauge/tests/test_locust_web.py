"""straingauge's tab in Locust's page, as HTTP has it: Locust runs in a process of its own."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from counting_service import Service, counting_service
from locust_page import USERS, Answer, Page, locust_page

LIVE = "/straingauge/live.json"
RESULT = "/straingauge/result.json"
REPORT = "/straingauge/report.html"
VIEWERS, TIMES = 20, 25


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """What the runs put load on."""
    with counting_service() as running:
        yield running


@pytest.fixture(scope="module")
def page(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One Locust for all tests of this module, which follow one run from before to after."""
    with locust_page(tmp_path_factory.mktemp("page"), service.url) as running:
        yield running


@pytest.fixture(scope="module")
def before(page: Page) -> dict[str, Answer]:
    """What is shown before any run."""
    return {path: page.get(path) for path in ("/", "/straingauge/", LIVE, RESULT)}


@dataclass
class During:
    """What viewers are shown while a run goes on.

    Attributes:
        all: What many get who ask again and again.
        took_s: For how long they asked.
        one: What the next one gets.
        file: What who asks for the result file gets.
        report: What who asks for the report gets.
    """

    all: list[Answer]
    took_s: float
    one: Answer
    file: Answer
    report: Answer


@pytest.fixture(scope="module")
def during(page: Page, before: dict[str, Answer]) -> During:
    """A run that goes on, looked at once it has some figures."""
    assert before  # comes first
    page.start()
    page.until(lambda live: live["view"] and len(live["view"]["endpoints"]) == 3)
    page.until(lambda live: live["view"]["total"]["requests"] > 100)
    began_s = time.monotonic()
    with ThreadPoolExecutor(VIEWERS) as viewers:
        found = list(viewers.map(page.get, [LIVE] * VIEWERS * TIMES))
    took_s = time.monotonic() - began_s
    return During(found, took_s, page.get(LIVE), page.get(RESULT), page.get(REPORT))


@pytest.fixture(scope="module")
def after(page: Page, during: During) -> dict[str, Answer]:
    """What is shown when that run is over."""
    assert during  # comes first
    page.stop()
    return {"live": page.get(LIVE), "file": page.get(RESULT), "report": page.get(REPORT)}


def test_locusts_page_has_the_tab(before: dict[str, Answer]):
    """Locust's own page names the tab and loads the script that fills it."""
    html = before["/"].body.decode()
    assert '"extended_tabs": [{"key": "straingauge", "title": "Verdict"}]' in html
    assert 'src="./straingauge/static/tab.js"></script></body>' in html


def test_nothing_is_shown_before_a_run(before: dict[str, Answer]):
    """Before a run there are no figures and no file, and asking for one gets words."""
    live = before[LIVE].json
    assert (live["state"], live["view"], live["finished"], live["file"]) == (
        "ready",
        None,
        False,
        None,
    )
    assert before[RESULT].status == 404
    assert "no result file" in before[RESULT].json["error"]


def test_page_needs_nothing_from_elsewhere(page: Page, before: dict[str, Answer]):
    """The page may load from its own server only, and all it names is there."""
    answer = before["/straingauge/"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for name in ("live.css", "live.js", "charts.js", "dom.js", "tab.js"):
        text = page.get(f"/straingauge/static/{name}").body.decode()
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert page.get("/straingauge/static/blueprint.py").status == 404


def test_each_endpoint_has_its_verdict(during: During):
    """While a run goes on each endpoint stands against its own thresholds, the worst first."""
    seen = during.one.json["view"]
    grades = [(each["name"], each["grade"]) for each in seen["endpoints"]]
    assert grades == [
        ("GET /broken", "critical"),
        ("GET /timed", "target"),
        ("GET /<b>odd</b>", "not judged"),
    ]
    (threshold,) = seen["endpoints"][0]["thresholds"]
    assert threshold["text"] == "error_rate_percent = 100 (critical from 2)"
    assert seen["verdict"]["grade"] == "critical"
    assert "error_rate_percent" in seen["diagnosis"]["first"]["message"]


def test_inside_is_seen_while_the_run_goes_on(during: During):
    """Server-Timing parts, the service's memory and its pool are shown before the run is over."""
    seen = during.one.json["view"]
    timed = next(each for each in seen["endpoints"] if each["name"] == "GET /timed")
    assert {part["name"] for part in timed["server_timing"]} == {"db", "app", "unattributed"}
    titles = {group["title"]: dict(group["metrics"]) for group in seen["resources"]}
    assert titles["Connection pool"]["peak in use"] == "0 of 7"
    assert titles["Service"]["memory"].endswith(" MB")
    drawn = {chart["title"] for chart in seen["charts"]}
    assert {"Response time", "Requests", "Memory of the service", "Connection pool"} <= drawn


def test_viewers_share_what_is_composed(during: During):
    """However many look on, and however often, what they see is composed once in two seconds."""
    shown = {answer.headers["ETag"] for answer in during.all}
    assert len(during.all) == VIEWERS * TIMES
    assert len(shown) <= 2 + during.took_s / 2


def test_unchanged_figures_are_not_sent_again(page: Page, after: dict[str, Answer]):
    """Who has the figures already gets 304 and no body."""
    again = page.get(LIVE, **{"If-None-Match": after["live"].headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_result_file_is_offered_when_the_run_is_over(
    page: Page, during: During, after: dict[str, Answer]
):
    """While the run goes on there is no file; at its end it is there at once, byte for byte."""
    assert during.file.status == 404
    assert after["live"].json["finished"]
    (file,) = (page.folder / "results").glob("metrics_*.json")
    assert after["live"].json["file"] == file.name
    assert after["file"].body == file.read_bytes()
    assert file.name in after["file"].headers["Content-Disposition"]


def test_figures_at_the_end_are_the_files(after: dict[str, Answer]):
    """What the page shows of a run that is over is what its file says."""
    seen, kept = after["live"].json["view"], json.loads(after["file"].body)
    assert seen["total"]["requests"] == kept["metrics"]["total_requests"]
    assert seen["verdict"]["grade"] == kept["verdict"]["grade"] == "critical"


def test_report_is_offered_when_the_run_is_over(during: During, after: dict[str, Answer]):
    """The whole report is there as a page as soon as the run is over."""
    assert during.report.status == 404
    assert after["report"].status == 200
    assert "GET /broken" in after["report"].body.decode()


def test_next_run_begins_anew(page: Page, after: dict[str, Answer]):
    """A second run shows its own figures, and not the file of the first."""
    page.start()
    begun = after["live"].json["view"]["run"]["started_at"]
    live = page.until(lambda now: now["view"] and now["view"]["run"]["started_at"] != begun)
    page.stop()
    assert (live["file"], live["finished"]) == (None, False)


LOGIN = (
    USERS
    + """
from locust import events

@events.init.add_listener
def ask_for_login(environment, **_):
    environment.web_ui.app.secret_key = "a secret"
    environment.web_ui.login_manager.user_loader(lambda user: None)
"""
)


def test_page_keeps_to_locusts_login(service: Service, tmp_path: Path):
    """Where Locust's page asks for a login, straingauge's figures and files do too."""
    with locust_page(tmp_path, service.url, "--web-login", users=LOGIN) as page:
        asked = {path: page.get(path) for path in ("/", "/straingauge/", LIVE, RESULT, REPORT)}
    assert {path: answer.status for path, answer in asked.items()} == dict.fromkeys(asked, 302)
    assert all("/login" in answer.headers["Location"] for answer in asked.values())


BROKEN = (
    USERS
    + """
from straingauge.locust.web import page_data

def view(result):
    raise RuntimeError("planted")

page_data.view = view
"""
)


def test_what_breaks_the_page_is_said_once(service: Service, tmp_path: Path):
    """An error in composing is told to each viewer, and once in the log; it ends no run."""
    with locust_page(tmp_path, service.url, base="/load", users=BROKEN) as page:
        page.start()
        failed = page.until(lambda live: "error" in live)
        assert "RuntimeError: planted" in failed["error"]
        assert page.get(LIVE).status == 500
        assert page.log.count("cannot build the page's data: RuntimeError: planted") == 1
        before = service.counts()
        page.wait(service.counts, lambda now: now["/timed"] > before["/timed"])
