"""straingauge's tab in Locust's page, in a real browser: from Start to the result file."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from counting_service import counting_service
from locust_page import PATIENCE_S, Page, locust_page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt install chromium, or put google-chrome on PATH"
)


@dataclass
class Viewed:
    """Locust's page in a browser.

    Attributes:
        page: Locust, and its page's server.
        tab: The browser's page.
        live: What is in straingauge's tab.
        asked: Every address the browser has asked for.
        complaints: What it has said of errors.
    """

    page: Page
    tab: "playwright.Page"
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def live(self) -> "playwright.FrameLocator":
        """The inside of the tab."""
        return self.tab.frame_locator("iframe[title=Verdict]")


@pytest.fixture(scope="module")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewed]:
    """Locust's page, freshly opened."""
    with (
        counting_service() as service,
        locust_page(tmp_path_factory.mktemp("page"), service.url) as page,
        playwright.sync_playwright() as driver,
    ):
        # In a container Chromium runs as root, where its sandbox does not.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(color_scheme="light")
        tab.set_default_timeout(1000 * PATIENCE_S)
        seen = Viewed(page, tab)
        tab.on("request", lambda request: seen.asked.append(request.url))
        tab.on("pageerror", lambda error: seen.complaints.append(str(error)))
        tab.on(
            "console",
            lambda said: seen.complaints.append(said.text) if said.type == "error" else None,
        )
        tab.goto(page.url)
        yield seen
        browser.close()


@pytest.fixture(scope="module")
def running(viewed: Viewed) -> Viewed:
    """A run was started on the page, and the tab opened; by keyboard alone."""
    tab = viewed.tab
    tab.get_by_label("Number of users").fill("3")
    tab.get_by_role("button", name="Start").press("Enter")
    statistics = tab.get_by_role("tab", name="Statistics")
    statistics.focus()
    tab.keyboard.press("End")
    tab.keyboard.press("Enter")
    playwright.expect(viewed.live.locator("tbody tr")).to_have_count(3)
    return viewed


def test_the_tab_shows_the_verdict(running: Viewed):
    """The tab of a run that goes on says the verdict in words, per endpoint, the worst first."""
    live = running.live
    playwright.expect(live.locator("#grade")).to_contain_text("critical")
    first = live.locator("tbody tr").first
    playwright.expect(first).to_contain_text("✕ critical")
    playwright.expect(first).to_contain_text("GET /broken")
    playwright.expect(live.locator("#diagnosis")).to_contain_text("What failed first")
    playwright.expect(live.locator("#status")).to_contain_text("3 users")


def test_figures_stay_fresh(running: Viewed):
    """The figures in the tab move on by themselves."""
    count = running.live.locator("tbody tr").first.locator("td.number").first
    before = count.inner_text()
    playwright.expect(count).not_to_have_text(before)


def test_a_name_is_no_markup(running: Viewed):
    """An endpoint whose name looks like markup is shown as it is called."""
    name = running.live.locator("tbody th", has_text="odd")
    playwright.expect(name).to_have_text("GET /<b>odd</b>")


def test_the_tab_follows_locusts_theme(running: Viewed):
    """Locust's switch between light and dark turns the tab as well."""
    html = running.live.locator("html")
    playwright.expect(html).to_have_attribute("data-theme", "light")
    running.tab.locator("header button").last.click()  # it has no name
    playwright.expect(html).to_have_attribute("data-theme", "dark")


def test_other_tabs_are_as_before(running: Viewed):
    """Leaving the tab takes the page away, coming back brings it again."""
    frames = running.tab.locator("iframe")
    running.tab.get_by_role("tab", name="Charts").click()
    playwright.expect(frames).to_have_count(0)
    running.tab.get_by_role("tab", name="Verdict").click()
    playwright.expect(frames).to_have_count(1)


@pytest.fixture(scope="module")
def stopped(running: Viewed) -> Viewed:
    """That run was stopped on the page."""
    running.tab.get_by_role("button", name="Stop").click()
    return running


def test_result_file_can_be_had(stopped: Viewed, tmp_path: Path):
    """When the run is over the tab links to its result file, as it was written."""
    link = stopped.live.get_by_role("link", name="Result file")
    with stopped.tab.expect_download() as download:
        link.click()
    (file,) = (stopped.page.folder / "results").glob("metrics_*.json")
    assert download.value.suggested_filename == file.name
    download.value.save_as(tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == file.read_bytes()


def test_nothing_came_from_elsewhere(stopped: Viewed):
    """All that the browser needed came from Locust, and it had nothing to complain of."""
    ours = [url for url in stopped.asked if "/straingauge/" in url]
    assert ours
    assert [url for url in ours if not url.startswith(stopped.page.url)] == []
    assert stopped.complaints == []


def test_a_locust_that_has_gone_is_told(stopped: Viewed):
    """When Locust ends, the tab says that its figures are no longer up to date."""
    stopped.page.process.terminate()
    trouble = stopped.live.get_by_role("alert")
    playwright.expect(trouble).to_contain_text("Locust does not respond", timeout=10_000)
