"""straingauge's tab in Locust's page in a browser, from Start to the result file."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from counting_service import counting_service
from locust_page import TIMEOUT_S, Page, locust_page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
playwright.expect.set_options(timeout=60_000)  # ms; as long as a busy machine takes
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.serial,  # a late generator would make the run invalid
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="needs a browser: apt install chromium, or put google-chrome on PATH",
    ),
]


@dataclass
class BrowserTab:
    """Locust's page in a browser.

    Attributes:
        page: Locust and its server.
        tab: The browser's page.
        live: The content of straingauge's tab.
        urls: Every URL that the browser has requested.
        errors: Errors that it has reported.
    """

    page: Page
    tab: "playwright.Page"
    urls: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def live(self) -> "playwright.FrameLocator":
        """The content of straingauge's tab."""
        return self.tab.frame_locator("iframe[title=Verdict]")


@pytest.fixture(scope="module")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserTab]:
    """Locust's page, just opened."""
    with (
        counting_service() as service,
        locust_page(tmp_path_factory.mktemp("page"), service.url) as page,
        playwright.sync_playwright() as driver,
    ):
        # Chromium's sandbox does not work as root, as in a container.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(color_scheme="light")
        tab.set_default_timeout(1000 * TIMEOUT_S)
        view = BrowserTab(page, tab)
        tab.on("request", lambda request: view.urls.append(request.url))
        tab.on("pageerror", lambda error: view.errors.append(str(error)))
        tab.on(
            "console",
            lambda message: view.errors.append(message.text) if message.type == "error" else None,
        )
        tab.goto(page.url)
        yield view
        browser.close()


@pytest.fixture(scope="module")
def running(viewed: BrowserTab) -> BrowserTab:
    """A run started on the page, and the tab opened, by keyboard."""
    tab = viewed.tab
    tab.get_by_label("Number of users").fill("3")
    tab.get_by_role("button", name="Start").press("Enter")
    statistics = tab.get_by_role("tab", name="Statistics")
    statistics.focus()
    tab.keyboard.press("End")
    tab.keyboard.press("Enter")
    playwright.expect(viewed.live.locator("tbody tr")).to_have_count(3)
    return viewed


def test_the_tab_shows_the_verdict(running: BrowserTab):
    """During a run the tab shows the verdict of each endpoint, the worst first."""
    live = running.live
    playwright.expect(live.locator("#grade")).to_contain_text("critical")
    first = live.locator("tbody tr").first
    playwright.expect(first).to_contain_text("✕ critical")
    playwright.expect(first).to_contain_text("GET /broken")
    playwright.expect(live.locator("#diagnosis")).to_contain_text("What broke first")
    playwright.expect(live.locator("#status")).to_contain_text("3 users")


def test_the_data_is_refreshed(running: BrowserTab):
    """The values in the tab change without a reload."""
    count = running.live.locator("tbody tr").first.locator("td.number").first
    before = count.inner_text()
    playwright.expect(count).not_to_have_text(before)


def test_endpoint_names_are_escaped(running: BrowserTab):
    """An endpoint name that looks like markup is shown as text."""
    name = running.live.locator("tbody th", has_text="odd")
    playwright.expect(name).to_have_text("GET /<b>odd</b>")


def test_the_tab_follows_locusts_theme(running: BrowserTab):
    """Locust's switch between light and dark changes the tab as well."""
    html = running.live.locator("html")
    playwright.expect(html).to_have_attribute("data-theme", "light")
    running.tab.locator("header button").last.click()  # it has no name
    playwright.expect(html).to_have_attribute("data-theme", "dark")


def test_other_tabs_are_unchanged(running: BrowserTab):
    """Leaving the tab removes the frame, and returning adds it again."""
    frames = running.tab.locator("iframe")
    running.tab.get_by_role("tab", name="Charts").click()
    playwright.expect(frames).to_have_count(0)
    running.tab.get_by_role("tab", name="Verdict").click()
    playwright.expect(frames).to_have_count(1)


@pytest.fixture(scope="module")
def stopped(running: BrowserTab) -> BrowserTab:
    """The run, stopped on the page."""
    running.tab.get_by_role("button", name="Stop").click()
    return running


def test_result_file_can_be_downloaded(stopped: BrowserTab, tmp_path: Path):
    """After the run the tab links to its result file."""
    link = stopped.live.get_by_role("link", name="Result file")
    with stopped.tab.expect_download() as download:
        link.click()
    (file,) = (stopped.page.folder / "results").glob("metrics_*.json")
    assert download.value.suggested_filename == file.name
    download.value.save_as(tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == file.read_bytes()


def test_nothing_is_loaded_from_other_hosts(stopped: BrowserTab):
    """The browser loads only from Locust, and reports no errors."""
    own = [url for url in stopped.urls if "/straingauge/" in url]
    assert own
    assert [url for url in own if not url.startswith(stopped.page.url)] == []
    assert stopped.errors == []


def test_the_end_of_locust_is_shown(stopped: BrowserTab):
    """When Locust ends, the tab shows that its data is not up to date."""
    stopped.page.process.terminate()
    alert = stopped.live.get_by_role("alert")
    playwright.expect(alert).to_contain_text("Locust does not respond", timeout=10_000)
