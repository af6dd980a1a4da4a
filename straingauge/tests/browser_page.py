"""The report in a browser, what tests read from it, and the browser.

Tests import from here as well, so pytest must not rewrite this module: PYTEST_DONT_REWRITE.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome")
TIMEOUT_MS: Final = 20_000

ALONE = """() => [...document.querySelectorAll("#r1 figcaption")].filter((caption) => {
    const boxOf = (each) => each.getBoundingClientRect();
    const buttons = boxOf(caption.querySelector(".downloads") ?? document.head);
    const others = [...caption.querySelectorAll("h4, .legend li")].map(boxOf);
    const isBeside = ({ top, bottom }) => bottom > buttons.top && top < buttons.bottom;
    return buttons.width > 0 && !others.some(isBeside);
}).map((caption) => caption.textContent)"""
"""Captions of charts whose downloads are alone on a line."""
PICTURE = """() => pictureSource(
    document.getElementById("r1-pool"), document.createElement("canvas").getContext("2d")).text"""
"""The picture of a chart as SVG."""


@dataclass
class BrowserPage:
    """The report in a browser.

    Attributes:
        tab: The browser's page.
        requested: Every URL that the browser has requested.
        errors: Errors and warnings of the browser's console.
    """

    tab: "Page"
    requested: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def chart(self, name: str, run: int = 1) -> "Locator":
        """Return a chart of a run."""
        return self.tab.locator(f"#r{run}-{name}")

    def drawn(self, run: int) -> list[str]:
        """Return the ids of a run's charts that have lines, except the percentile curve."""
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
def browser() -> Iterator["Browser"]:
    """Start a browser for all tests of a module."""
    from playwright.sync_api import sync_playwright  # not everywhere: such tests are skipped

    with sync_playwright() as driver:
        # In a container Chromium runs as root, where its sandbox does not.
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()
