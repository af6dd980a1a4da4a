# ruff: noqa: INP001 - a script that stands alone
"""Take screenshots of straingauge's tab in Locust's page during a real run against URL.

    make pictures DIR=FOLDER [APP=module:app] [ARGS="--users 20 --seconds 30"]

Writes before.png, and MOMENT-THEME-WIDTH.png for a wide and a narrow window in light and dark: the
tab during the run, and straingauge's separate page after it. Needs Playwright and Chromium.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

LOAD_TEST = "tests/performance/load_test.py"
WIDTHS = {"wide": 1200, "narrow": 420}
TIMEOUT_MS = 60_000


@contextmanager
def locust(target: str) -> Iterator[str]:
    """Run Locust; yield the URL of its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "locust", "-f", LOAD_TEST, "--host", target]
        command += ["--web-host", "127.0.0.1", "--web-port", str(port), "--load-results", results]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            while not listens(port):
                if process.poll() is not None:
                    sys.exit("Locust ended before its page was available")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def listens(port: int) -> bool:
    """Return true if a server listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def take_screenshots(browser: Browser, url: str, name: str, folder: Path) -> None:
    """Take screenshots of a page at all widths and in both themes."""
    for theme in ("light", "dark"):
        for width, pixels in WIDTHS.items():
            page = browser.new_page(viewport={"width": pixels, "height": 900}, color_scheme="light")
            page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
            page.goto(url)
            live = page.frame_locator("iframe") if "tab=" in url else page
            expect(live.locator("tbody tr").first).to_be_visible(timeout=TIMEOUT_MS)
            page.wait_for_timeout(500)  # Locust's page is animated while it opens
            file = folder / f"{name}-{theme}-{width}.png"
            page.screenshot(path=file, full_page=True)
            print(file)
            page.close()


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="URL of the service")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", default="20")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="length of the load before the screenshots"
    )
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs a browser: apt install chromium, or put google-chrome on PATH")
    options.folder.mkdir(parents=True, exist_ok=True)
    with locust(options.url) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTHS["wide"], "height": 300})
        page.goto(f"{url}straingauge/")
        expect(page.locator("#no-run")).to_be_visible(timeout=TIMEOUT_MS)
        page.screenshot(path=options.folder / "before.png")
        page.goto(url)
        page.get_by_label("Number of users").fill(options.users)
        page.get_by_label("Ramp up").fill("10")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("tab", name="Verdict").click(timeout=TIMEOUT_MS)
        page.wait_for_timeout(1000 * options.seconds)
        take_screenshots(browser, f"{url}?tab=straingauge", "running", options.folder)
        page.get_by_role("button", name="Stop").click()
        link = page.frame_locator("iframe").get_by_role("link", name="Result file")
        expect(link).to_be_visible(timeout=TIMEOUT_MS)
        take_screenshots(browser, f"{url}straingauge/", "over", options.folder)
        browser.close()


if __name__ == "__main__":
    main()
