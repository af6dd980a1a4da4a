# ruff: noqa: INP001 - a script that stands alone
"""Take the pictures of the documentation that show a report and a page of `straingauge capacity`.

    make pictures DIR=FOLDER
    page_pictures.py FOLDER [RESULTS]

Writes report.png, the head of the report of a service whose pool of connections is too small, and
capacity.png from `capacity.json`. Injects that fault, unless RESULTS has the result files of
`make faults ARGS="small_pool --results RESULTS"`. Needs Playwright and Chromium.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright
from straingauge.capacity import page as capacity_page
from straingauge.report.page import page
from straingauge.result.format import read

FAULT: Final = "small_pool"
LOAD_TEST: Final = "database_pool_stress"
CAPACITY: Final = Path(__file__).with_name("capacity.json")


def inject_fault(results: Path) -> None:
    """Run the load tests against the service with the fault."""
    command = [sys.executable, "-m", "tests.performance.fault_injection", FAULT]
    subprocess.run([*command, "--results", str(results)], check=True, stdin=subprocess.DEVNULL)


def report_of_fault(results: Path) -> str:
    """Return the report of the load test that finds the fault, of its last run."""
    return page([read(max(results.rglob(f"{LOAD_TEST}_*.json")))])


def take_picture(
    browser: Browser, html: str, last: str, file: Path, *, width: int, zoom: float = 1
) -> None:
    """Take a picture from the top of a page to the end of the element `last`."""
    tab = browser.new_page(
        viewport={"width": width, "height": 900}, device_scale_factor=zoom, color_scheme="light"
    )
    tab.set_content(html)
    box = tab.locator(last).first.bounding_box()
    if box is None:
        sys.exit(f"{file.name}: the page has no {last}")
    height = box["y"] + box["height"] + 12
    clip = {"x": 0.0, "y": 0.0, "width": float(width), "height": height}
    tab.screenshot(path=file, clip=clip, full_page=True)  # type: ignore[arg-type]  its own type
    print(file, f"{file.stat().st_size / 1000:.0f} kB")
    tab.close()


def main(folder: Path, measured: Path | None = None) -> None:
    """Take both pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs a browser: apt install chromium, or put google-chrome on PATH")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as results, sync_playwright() as driver:
        if measured is None:
            inject_fault(Path(results))
        report = report_of_fault(measured or Path(results))
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take_picture(browser, report, "#diagnosis", folder / "report.png", width=1100)
        found = capacity_page(json.loads(CAPACITY.read_text(encoding="utf-8")))
        take_picture(browser, found, "figure >> nth=0", folder / "capacity.png", width=1200)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
