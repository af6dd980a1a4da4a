"""Pages in a real browser: their accessibility, the time axis and the flame graph."""

import re
from pathlib import Path

import pytest
from browser_page import CHROMIUM, TIMEOUT_MS, BrowserPage
from browser_pages import CONTRAST, LIVE, OTHER_RULES, PAGES, UNFOLD, URL, VIOLATIONS, respond
from inside_results import inside_result
from sample_results import sample_result
from straingauge.report.page import page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt install chromium, or put google-chrome on PATH"
)

pytest_plugins = ["browser_page"]


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_and_fit(browser: "playwright.Browser", name: str):
    """axe-core finds nothing on any page, in light and dark, and none is wider than its window."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    tab = browser.new_page()
    tab.set_default_timeout(TIMEOUT_MS)
    tab.route(f"{URL}**", respond(name))
    tab.goto(URL)
    tab.wait_for_selector("#charts svg" if name in LIVE else "main section")
    tab.evaluate(UNFOLD)
    tab.evaluate(axe.AXE_SCRIPT)
    for width in (420, 1000, 1600):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate(VIOLATIONS, OTHER_RULES) == [], f"{width} px"
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for theme in ("light", "dark"):  # contrast takes most of the time, and depends on this alone
        tab.emulate_media(color_scheme=theme)
        assert tab.evaluate(VIOLATIONS, CONTRAST) == [], theme
    tab.close()


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report of two runs whose loads began at known instants in different time zones."""
    written = tmp_path_factory.mktemp("page") / "placed.html"
    runs = [sample_result("here", minute=1), sample_result("here", minute=2)]
    runs[0]["load_started_at"] = "2026-11-28T23:59:51.500+05:30"
    runs[1]["load_started_at"] = "2026-11-28T08:00:00.000-03:00"
    written.write_text(page(runs), encoding="utf-8")
    return written


def test_time_axis_shows_the_clock_where_a_load_ran(browser: "playwright.Browser", placed: Path):
    """Each run's axis has its own clock time at round instants, whatever zone the browser is in."""
    tab = browser.new_page(timezone_id="Asia/Tokyo", viewport={"width": 1300, "height": 900})
    tab.goto(placed.as_uri())
    opened = BrowserPage(tab)
    labels = [opened.chart("rate", run).locator("text.tick") for run in (0, 1)]
    before = labels[0].all_text_contents()
    assert "10 s" in before
    tab.get_by_label("clock time").check()
    assert tab.locator("#time-axis").inner_text().endswith("clock time, UTC+5:30, UTC-3")
    first, second = (each.all_text_contents() for each in labels)
    assert {"UTC+5:30", "23:59:55", "00:00:05"} <= set(first)
    assert {"UTC-3", "08:00:05", "08:00:10"} <= set(second)
    opened.chart("rate", 0).focus()
    tab.keyboard.press("Home")
    text = tab.locator("#readout").inner_text()
    assert text.startswith("2026-11-28 23:59:52.0 UTC+5:30 (0.5 s after the start): succeeded ")
    tab.get_by_label("since the start").check()
    assert labels[0].all_text_contents() == before
    tab.close()


def test_a_flame_graph_is_explored_with_the_keyboard(browser: "playwright.Browser", tmp_path: Path):
    """Arrow keys move between frames, Enter zooms, Escape zooms out; a search counts samples."""
    written = tmp_path / "inside.html"
    written.write_text(page([inside_result()]), encoding="utf-8")
    tab = browser.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(written.as_uri())
    graph, readout = tab.get_by_role("tree"), tab.locator(".flame-readout")
    labels = graph.locator(".frame").all_inner_texts()
    assert labels[:5] == [
        "all",
        "uvicorn 4711 MainThread",
        "starlette, fastapi …",
        "list_sessions",
        "summary_of",
    ]
    graph.get_by_role("treeitem").first.focus()
    for _ in range(4):
        tab.keyboard.press("ArrowDown")
    text = "summary_of at app/notes.py:14: 60% of 100 samples, 0% itself"
    assert readout.inner_text() == text
    tab.keyboard.press("ArrowRight")
    assert readout.inner_text().startswith("encode at json/encoder.py:200: 25%")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Enter")
    zoomed = graph.locator("[aria-current]")
    assert zoomed.inner_text() == "summary_of"
    assert "encode" not in graph.locator(".frame").all_inner_texts()
    tab.keyboard.press("Escape")
    assert zoomed.inner_text() == "list_sessions"
    tab.get_by_label("Search").fill("sessions.py")
    assert readout.inner_text() == "1 match, 85% of all samples"
    tab.get_by_label("all frames of libraries").check()
    assert "run_endpoint_function" in graph.locator(".frame").all_inner_texts()
    tab.get_by_label("Show").select_option("thread")
    assert graph.locator(".frame").all_inner_texts() == [
        "all",
        "uvicorn 4711 worker",
        "run_next",
        "encode",
    ]
    tab.get_by_role("button", name=re.compile("^Copy: CREATE INDEX")).first.click()
    playwright.expect(tab.locator("button.copy").first).not_to_have_text("Copy")
    assert errors == []
    tab.close()
