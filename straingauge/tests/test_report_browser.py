"""The page in a real browser, opened from a file as a user opens it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sample_results import SECONDS, reported
from straingauge.report.page import page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt install chromium, or put google-chrome on PATH"
)

PATIENCE_MS = 20_000
OVER_TIME = ("latency", "heat", "rate", "errors", "parts", "cpu", "memory", "pool", "database")
HOSTILE = '<img src=x onerror="document.title=1">'


@dataclass
class Viewed:
    """The page in a browser.

    Attributes:
        tab: The browser's page.
        asked: Every address the browser has asked for.
        complaints: What it has said of errors.
    """

    tab: "playwright.Page"
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def chart(self, name: str, run: int = 1) -> "playwright.Locator":
        """A run's chart."""
        return self.tab.locator(f"#r{run}-{name}")

    def drawn(self, run: int) -> list[str]:
        """The ids of a run's charts in which anything is drawn, but the percentile curve."""
        drawn: list[str] = self.tab.eval_on_selector_all(
            f"#r{run} figure:not([id$=curve]):has(.canvas svg path[d*=M])",
            "all => all.map(f => f.id)",
        )
        return drawn

    def cursors(self, run: int = 1) -> list[float]:
        """Return the cursor's position in each time chart, as a share of its width."""
        shares: list[float] = self.tab.eval_on_selector_all(
            f"#r{run} figure:not([id$=curve]) line.cursor[visibility=visible]",
            """lines => lines.map((line) => {
                const { width } = line.ownerSVGElement.viewBox.baseVal;
                return (Number(line.getAttribute("x1")) - 54) / (width - 64);
            })""",
        )
        return shares


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    """A browser for all tests."""
    with playwright.sync_playwright() as driver:
        # In a container Chromium runs as root, where its sandbox does not.
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a quiet run, of one in trouble, and of that one a minute later."""
    written = tmp_path_factory.mktemp("page") / "report.html"
    runs = [
        reported("calm"),
        reported("stormy", trouble=True, words=HOSTILE, minute=1),
        reported("stormy", endpoints=[HOSTILE, "GET /items"], minute=2),
    ]
    written.write_text(page(runs), encoding="utf-8")
    return written


@pytest.fixture
def viewed(browser: "playwright.Browser", file: Path) -> Iterator[Viewed]:
    """The page, freshly opened; nothing may be asked for but the file, nothing complained of."""
    tab = browser.new_page(color_scheme="light", viewport={"width": 1300, "height": 900})
    tab.set_default_timeout(PATIENCE_MS)
    seen = Viewed(tab)
    tab.on("request", lambda request: seen.asked.append(request.url))
    tab.on("pageerror", lambda error: seen.complaints.append(str(error)))
    tab.on(
        "console",
        lambda said: seen.complaints.append(said.text) if said.type in ("error", "warning") else 0,
    )
    tab.goto(file.as_uri())
    yield seen
    asked = [url for url in seen.asked if not url.startswith("data:")]
    assert set(asked) == {file.as_uri()}
    assert seen.complaints == []
    tab.close()


def test_charts_of_the_worst_runs_are_drawn_first(viewed: Viewed):
    """Opened, the page shows the run that failed, and beside it the other of its name."""
    assert viewed.tab.title() == "1 of 3 load tests crossed a critical threshold"
    assert not viewed.tab.locator("#r0").is_visible()
    assert viewed.drawn(1) == [f"r1-{name}" for name in (*OVER_TIME, "handles")]
    assert viewed.chart("latency", 2).is_visible()
    assert viewed.chart("errors", 2).inner_text().endswith("no errors")
    assert "not measured" in viewed.chart("jobs").inner_text()
    assert viewed.chart("curve").locator("path.line").count() == 2


def test_one_cursor_moves_through_all_charts(viewed: Viewed):
    """Pointing at a moment in one chart marks it in all of both runs, with the values there."""
    surface = viewed.chart("pool").locator(".canvas svg")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    assert box
    at = (54 + (box["width"] - 64) * 12.2 / SECONDS) / box["width"]
    viewed.tab.mouse.move(box["x"] + box["width"] * at, box["y"] + 50)
    viewed.tab.wait_for_selector("#readout:not([hidden])")
    for run in (1, 2):
        shares = viewed.cursors(run)
        assert len(shares) == len(viewed.drawn(run))
        assert shares == pytest.approx([12.2 / SECONDS] * len(shares), abs=0.01)
    assert "waiting 9" in viewed.chart("pool").locator("figcaption").inner_text()
    assert "failed 20%" in viewed.chart("errors").locator("figcaption").inner_text()
    assert "12.2 s after the start: in use 5" in viewed.tab.locator("#readout").inner_text()


def test_the_keyboard_moves_the_cursor(viewed: Viewed):
    """The arrow keys step from second to second, End goes to the last, Escape lets go."""
    viewed.chart("latency").focus()
    for _ in range(3):
        viewed.tab.keyboard.press("ArrowRight")
    assert viewed.tab.locator("#readout").inner_text().startswith("2.5 s after the start: p50 ")
    viewed.tab.keyboard.press("End")
    assert viewed.cursors()[0] == pytest.approx((SECONDS - 0.5) / SECONDS, abs=0.02)
    viewed.tab.keyboard.press("Escape")
    assert viewed.cursors() == []
    viewed.chart("curve").focus()
    for _ in range(9):
        viewed.tab.keyboard.press("ArrowRight")
    assert viewed.tab.locator("#readout").inner_text().startswith("50%: response time ")


def test_an_endpoint_of_its_own(viewed: Viewed):
    """Choosing an endpoint draws its charts alone, and those of its namesake in the other run."""
    viewed.tab.locator("#r1 input.endpoint[value='GET /items']").check()
    assert viewed.tab.locator("#r2 input.endpoint[value='GET /items']").is_checked()
    for run, figures in ((1, "succeeded 16/s"), (2, "succeeded 20/s")):
        viewed.chart("rate", run).focus()
        viewed.tab.keyboard.press("Home")
        for _ in range(12):
            viewed.tab.keyboard.press("ArrowRight")
        assert figures in viewed.chart("rate", run).locator("figcaption").inner_text()


def test_evidence_leads_to_its_chart(viewed: Viewed):
    """A link of the diagnosis shows its run and the chart, and points it out."""
    viewed.tab.locator("#verdicts a", has_text="calm").click()
    assert not viewed.tab.locator("#r1").is_visible()
    viewed.tab.locator('#diagnosis a[href="#r1-errors-seen"]').first.click()
    assert viewed.tab.locator("#r1-errors-seen details").get_attribute("open") is not None
    assert viewed.tab.locator("#r1-errors-seen").is_visible()
    assert not viewed.tab.locator("#r0").is_visible()


def test_runs_stand_side_by_side_on_the_same_axes(viewed: Viewed):
    """Runs that are ticked stand beside each other, at the same height and on the same scales."""
    for run in (0, 1):
        viewed.tab.locator("input[name=show]").nth(run).check()
    places = [viewed.chart("latency", run).bounding_box() for run in (0, 1, 2)]
    assert len({round(place["y"]) for place in places if place}) == 1
    assert len({round(place["x"]) for place in places if place}) == 3
    ticks = [viewed.chart("latency", run).locator("text.tick").all_inner_texts() for run in (0, 1)]
    assert ticks[0] == ticks[1]
    viewed.tab.locator("input[name=show]").nth(1).uncheck()
    assert not viewed.tab.locator("#r1").is_visible()


def test_dark_where_the_system_is(viewed: Viewed):
    """In the dark, page and charts turn dark, and the text is light."""
    colours = "() => [document.body, document.querySelector('.tick')].map(e => getComputedStyle(e))"
    light = viewed.tab.evaluate(f"({colours})().map(s => [s.backgroundColor, s.color, s.fill])")
    viewed.tab.emulate_media(color_scheme="dark")
    dark = viewed.tab.evaluate(f"({colours})().map(s => [s.backgroundColor, s.color, s.fill])")
    assert light[0][:2] == ["rgb(247, 247, 245)", "rgb(27, 29, 34)"]
    assert dark[0][:2] == ["rgb(17, 19, 24)", "rgb(232, 234, 238)"]
    assert light[1][2] != dark[1][2]


def test_every_run_is_printed(viewed: Viewed):
    """On paper all runs stand below each other with their charts; then all is as before."""
    assert viewed.tab.pdf().startswith(b"%PDF")
    viewed.tab.emulate_media(media="print")
    viewed.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    for run in range(3):
        assert viewed.tab.locator(f"#r{run}").is_visible()
        assert f"r{run}-latency" in viewed.drawn(run)
    viewed.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    viewed.tab.emulate_media(media="screen")
    assert not viewed.tab.locator("#r0").is_visible()
    assert viewed.tab.locator("#r1").is_visible()


def test_no_name_is_executed(viewed: Viewed):
    """Markup in endpoints' names and errors is text in tables, charts and tooltips alike."""
    assert viewed.tab.locator("img").count() == 0
    assert viewed.tab.locator("#r2-endpoints").inner_text().count(HOSTILE) == 1
    assert HOSTILE in viewed.tab.locator("#r1-errors-seen").inner_text()
    viewed.tab.locator(f"#r2 input.endpoint[value='{HOSTILE}']").check()
    assert viewed.tab.locator("img").count() == 0
    assert viewed.tab.title() != "1"
