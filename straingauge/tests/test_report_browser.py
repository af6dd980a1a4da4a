"""The report in a real browser, opened from a file."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_page import ALONE, CHROMIUM, PICTURE, TIMEOUT_MS, BrowserPage
from sample_results import SECONDS, sample_result
from straingauge.report.page import page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install playwright"
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt install chromium, or put google-chrome on PATH"
)

pytest_plugins = ["browser_page"]

OVER_TIME = ("latency", "heat", "rate", "errors", "parts", "cpu", "memory", "pool", "database")
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report of a normal run, a run in trouble, and another run of that test."""
    written = tmp_path_factory.mktemp("page") / "report.html"
    runs = [
        sample_result("calm"),
        sample_result("stormy", trouble=True, message=HOSTILE, minute=1),
        sample_result("stormy", endpoints=[HOSTILE, "GET /items"], minute=2),
    ]
    written.write_text(page(runs), encoding="utf-8")
    return written


@pytest.fixture
def report(browser: "playwright.Browser", file: Path) -> Iterator[BrowserPage]:
    """Open the report; only the file may be requested, and no error may be logged."""
    tab = browser.new_page(color_scheme="light", viewport={"width": 1300, "height": 900})
    tab.set_default_timeout(TIMEOUT_MS)
    opened = BrowserPage(tab)
    tab.on("request", lambda request: opened.requested.append(request.url))
    tab.on("pageerror", lambda error: opened.errors.append(str(error)))
    tab.on(
        "console",
        lambda message: (
            opened.errors.append(message.text) if message.type in ("error", "warning") else 0
        ),
    )
    tab.goto(file.as_uri())
    yield opened
    requested = [url for url in opened.requested if not url.startswith("data:")]
    assert set(requested) == {file.as_uri()}
    assert opened.errors == []
    tab.close()


def test_charts_of_the_worst_runs_are_drawn_first(report: BrowserPage):
    """The report opens with the failed run and, next to it, the other run of the same test."""
    assert report.tab.title().startswith(
        "Requests fail with an error status or a timeout (80% sure)"
    )
    assert "1 of 3 load tests crossed" in report.tab.locator(".sentence").inner_text()
    assert not report.tab.locator("#r0").is_visible()
    assert report.drawn(1) == [f"r1-{name}" for name in (*OVER_TIME, "handles")]
    assert report.chart("latency", 2).is_visible()
    assert report.chart("errors", 2).inner_text().endswith("no errors")
    assert "not measured" in report.chart("jobs").inner_text()
    assert report.chart("curve").locator("path.line").count() == 2


def test_one_cursor_moves_through_all_charts(report: BrowserPage):
    """Pointing at a time in one chart marks it in all charts of both runs, with the values."""
    surface = report.chart("pool").locator(".canvas > svg")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    assert box
    at = (54 + (box["width"] - 64) * 12.2 / SECONDS) / box["width"]
    report.tab.mouse.move(box["x"] + box["width"] * at, box["y"] + 50)
    report.tab.wait_for_selector("#readout:not([hidden])")
    for run in (1, 2):
        shares = report.cursors(run)
        assert len(shares) == len(report.drawn(run))
        assert shares == pytest.approx([12.2 / SECONDS] * len(shares), abs=0.01)
    assert "waiting 9" in report.chart("pool").locator("figcaption").inner_text()
    assert "timeout 20%" in report.chart("errors").locator("figcaption").inner_text()
    assert "12.2 s after the start: in use 5" in report.tab.locator("#readout").inner_text()


def test_without_a_clock_time_there_is_no_choice(report: BrowserPage):
    """Results that do not say when their load began have seconds on the axis only."""
    assert not report.tab.locator("#time-axis").is_visible()


def test_the_keyboard_moves_the_cursor(report: BrowserPage):
    """Arrow keys move the cursor by a second, End to the last one, and Escape removes it."""
    report.chart("latency").focus()
    for _ in range(3):
        report.tab.keyboard.press("ArrowRight")
    assert report.tab.locator("#readout").inner_text().startswith("2.5 s after the start: p50 ")
    report.tab.keyboard.press("End")
    assert report.cursors()[0] == pytest.approx((SECONDS - 0.5) / SECONDS, abs=0.02)
    report.tab.keyboard.press("Escape")
    assert report.cursors() == []
    report.chart("curve").focus()
    for _ in range(9):
        report.tab.keyboard.press("ArrowRight")
    assert report.tab.locator("#readout").inner_text().startswith("50%: response time ")


def test_an_endpoint_can_be_selected(report: BrowserPage):
    """Selecting an endpoint shows its charts, and those of the same endpoint in the other run."""
    report.tab.locator("#r1 input.endpoint[value='GET /items']").check()
    assert report.tab.locator("#r2 input.endpoint[value='GET /items']").is_checked()
    for run, figures in ((1, "succeeded 16/s"), (2, "succeeded 20/s")):
        report.chart("rate", run).focus()
        report.tab.keyboard.press("Home")
        for _ in range(12):
            report.tab.keyboard.press("ArrowRight")
        assert figures in report.chart("rate", run).locator("figcaption").inner_text()


def test_evidence_links_to_its_section(report: BrowserPage):
    """A link of the diagnosis shows its run and opens the section."""
    report.tab.locator("#verdicts a", has_text="calm").click()
    assert not report.tab.locator("#r1").is_visible()
    report.tab.locator('#diagnosis a[href="#r1-errors-seen"]').first.click()
    assert report.tab.locator("#r1-errors-seen details").get_attribute("open") is not None
    assert report.tab.locator("#r1-errors-seen").is_visible()
    assert not report.tab.locator("#r0").is_visible()


def test_runs_are_side_by_side_on_the_same_axes(report: BrowserPage):
    """Selected runs are next to each other, at the same height and on the same scales."""
    for run in (0, 1):
        report.tab.locator("input[name=show]").nth(run).check()
    places = [report.chart("latency", run).bounding_box() for run in (0, 1, 2)]
    assert len({round(place["y"]) for place in places if place}) == 1
    assert len({round(place["x"]) for place in places if place}) == 3
    ticks = [
        report.chart("latency", run).locator("text.tick").all_text_contents() for run in (0, 1)
    ]
    assert ticks[0] == ticks[1]
    report.tab.locator("input[name=show]").nth(1).uncheck()
    assert not report.tab.locator("#r1").is_visible()


def test_dark_mode_follows_the_system(report: BrowserPage):
    """In dark mode page and charts are dark, and the text is light."""
    colours = "() => [document.body, document.querySelector('.tick')].map(e => getComputedStyle(e))"
    light = report.tab.evaluate(f"({colours})().map(s => [s.backgroundColor, s.color, s.fill])")
    report.tab.emulate_media(color_scheme="dark")
    dark = report.tab.evaluate(f"({colours})().map(s => [s.backgroundColor, s.color, s.fill])")
    assert light[0][:2] == ["rgb(247, 247, 245)", "rgb(27, 29, 34)"]
    assert dark[0][:2] == ["rgb(17, 19, 24)", "rgb(232, 234, 238)"]
    assert light[1][2] != dark[1][2]


def test_every_run_is_printed(report: BrowserPage):
    """Printing shows all runs with their charts; afterwards the selection is as before."""
    assert report.tab.pdf().startswith(b"%PDF")
    report.tab.emulate_media(media="print")
    report.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    for run in range(3):
        assert report.tab.locator(f"#r{run}").is_visible()
        assert f"r{run}-latency" in report.drawn(run)
    report.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    report.tab.emulate_media(media="screen")
    assert not report.tab.locator("#r0").is_visible()
    assert report.tab.locator("#r1").is_visible()


def test_markup_in_names_is_text(report: BrowserPage):
    """Markup in endpoint names and errors is shown as text in tables, charts and tooltips."""
    assert report.tab.locator("img").count() == 0
    assert report.tab.locator("#r2-endpoints").inner_text().count(HOSTILE) == 1
    assert HOSTILE in report.tab.locator("#r1-errors-seen").inner_text()
    report.tab.locator(f"#r2 input.endpoint[value='{HOSTILE}']").check()
    assert report.tab.locator("img").count() == 0
    assert report.tab.title() != "1"


def test_a_table_is_sorted_by_the_pressed_heading(report: BrowserPage):
    """Numbers sort from the largest, again from the smallest; the row of all endpoints stays."""
    table = report.tab.locator("#r1-endpoints table")
    heading = table.get_by_role("columnheader", name="errors")
    orders = []
    for order in ("descending", "ascending"):
        heading.get_by_role("button").press("Enter")
        assert heading.get_attribute("aria-sort") == order
        rows = [
            row.split("\t")[0].strip() for row in table.locator("tbody").inner_text().split("\n")
        ]
        orders.append([each for each in rows if each.startswith(("all", "GET", "POST"))])
    assert orders[0][0] == orders[1][0] == "all endpoints"
    names = report.tab.locator("#verdicts").get_by_role("columnheader", name="load test")
    names.get_by_role("button").click()
    report.tab.locator("#verdicts a", has_text="calm").click()
    assert report.tab.locator("#verdicts tr.chosen").inner_text().count("calm") == 1


def test_the_data_of_a_chart_can_be_downloaded(report: BrowserPage):
    """CSV, JSON and PNG of a chart come from the file itself, with its values as they are drawn."""
    for chart, suffix, expected in (
        ("rate", "CSV", "t_s,succeeded (/s),errors (/s)"),
        ("curve", "CSV", "percentile,response time (ms),service time (ms)"),
        ("heat", "CSV", "start_s,duration_s,from_ms,to_ms,requests"),
        ("latency", "JSON", '"title": "Response time"'),
    ):
        with report.tab.expect_download() as download:
            name = re.compile(f"^Download .* as {suffix}")
            report.chart(chart).get_by_role("button", name=name).click()
        assert download.value.suggested_filename == f"r1-{chart}.{suffix.lower()}"
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert expected in text
    with report.tab.expect_download() as download:
        report.chart("pool").get_by_role("button", name=re.compile("^Download .* as PNG")).click()
    picture = Path(download.value.path()).read_bytes()
    shown = report.chart("pool").locator(".canvas > svg").get_attribute("width")
    width = int.from_bytes(picture[16:20], "big")
    assert (picture[:4], width) == (b"\x89PNG", 2 * float(shown or 0))
    source = report.tab.evaluate(PICTURE)
    assert all(word in source for word in ("Connection pool, connections", ">in use<", ">waiting<"))
    assert "fill: rgb(255, 255, 255)" in source  # the panel behind it
    assert "stroke: rgb" in source
    assert report.tab.evaluate("csvCell('=1+1')") == "'=1+1"
    assert report.tab.evaluate("""csvCell('a "b", c')""") == '"a ""b"", c"'


def test_a_legend_entry_hides_its_series(report: BrowserPage):
    """A press hides the line and another shows it; neither that nor the cursor moves anything."""
    chart = report.chart("latency")
    entry = chart.get_by_role("button", name=re.compile("^p95"))
    line = chart.locator("path.line.p95")
    height = report.tab.evaluate("document.body.scrollHeight")
    entry.click()
    assert entry.get_attribute("aria-pressed") == "false"
    assert not line.is_visible()
    chart.focus()
    report.tab.keyboard.press("End")
    assert report.tab.evaluate("document.body.scrollHeight") == height
    entry.click()
    assert line.is_visible()


def test_a_range_of_time_can_be_selected(report: BrowserPage):
    """A drag or + shows a part of the time in all charts, and a button the whole again."""
    surface = report.chart("pool").locator(".canvas > svg")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    assert box
    for share, act in ((0.25, report.tab.mouse.down), (0.75, report.tab.mouse.up)):
        report.tab.mouse.move(box["x"] + 54 + (box["width"] - 64) * share, box["y"] + 50)
        act()
    report.tab.mouse.move(0, 0)
    plotted = "cursor.drawn.get(document.getElementById('r{}-{}')).plot.x"
    for run, chart in ((1, "pool"), (1, "rate"), (2, "latency")):
        x = report.tab.evaluate(f"(({{ low, high }}) => [low, high])({plotted.format(run, chart)})")
        assert x == pytest.approx([SECONDS / 4, 3 * SECONDS / 4], abs=0.3)
    report.tab.wait_for_selector("#readout", state="hidden")
    report.chart("rate").focus()
    report.tab.keyboard.press("+")
    assert report.tab.evaluate(f"{plotted.format(1, 'rate')}.high") == pytest.approx(12.5, abs=0.5)
    report.tab.get_by_role("button", name="Show the whole time").click()
    assert report.tab.evaluate(f"{plotted.format(1, 'rate')}.low") == 0
    assert not report.tab.locator("#reset-zoom").is_visible()


def test_downloads_are_not_alone_on_a_line(report: BrowserPage):
    """The buttons stand beside a chart's title or its legend, on a wide and on a narrow screen."""
    for width in (420, 1000, 1600):
        report.tab.set_viewport_size({"width": width, "height": 900})
        assert report.tab.evaluate(ALONE) == [], f"{width} px"
