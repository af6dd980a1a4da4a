# ruff: noqa: INP001 - a script that stands alone
"""Pictures of straingauge's tab in Locust's page, of a real run at the service at URL.

    make pictures DIR=FOLDER [APP=module:app] [ARGS="--users 20 --seconds 30"]

writes before.png, and for a wide and a narrow window, light and dark, WHEN-THEME-WIDTH.png: what is
seen in the tab while the run goes on, and on the page of its own when it is over. Needs Playwright
and Chromium.
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
WIDTHS = {"wide": 1300, "narrow": 420}
PATIENCE_MS = 60_000


@contextmanager
def locust(target: str) -> Iterator[str]:
    """Locust with its page, which is at the address given."""
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
                    sys.exit("Locust ended before its page was there")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def listens(port: int) -> bool:
    """Whether anybody does at that port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def photograph(browser: Browser, url: str, name: str, folder: Path) -> None:
    """One page at all widths and in both themes."""
    for theme in ("light", "dark"):
        for width, pixels in WIDTHS.items():
            page = browser.new_page(viewport={"width": pixels, "height": 900}, color_scheme="light")
            page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
            page.goto(url)
            live = page.frame_locator("iframe") if "tab=" in url else page
            expect(live.locator("tbody tr").first).to_be_visible(timeout=PATIENCE_MS)
            page.wait_for_timeout(500)  # Locust's page moves while it opens
            file = folder / f"{name}-{theme}-{width}.png"
            page.screenshot(path=file, full_page=True)
            print(file)
            page.close()


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of the service")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", default="20")
    parser.add_argument("--seconds", type=float, default=30.0, help="of load before the pictures")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs a browser: apt install chromium, or put google-chrome on PATH")
    asked.folder.mkdir(parents=True, exist_ok=True)
    with locust(asked.url) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTHS["wide"], "height": 300})
        page.goto(f"{url}straingauge/")
        expect(page.locator("#none")).to_be_visible(timeout=PATIENCE_MS)
        page.screenshot(path=asked.folder / "before.png")
        page.goto(url)
        page.get_by_label("Number of users").fill(asked.users)
        page.get_by_label("Ramp up").fill("10")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("tab", name="Verdict").click(timeout=PATIENCE_MS)
        page.wait_for_timeout(1000 * asked.seconds)
        photograph(browser, f"{url}?tab=straingauge", "running", asked.folder)
        page.get_by_role("button", name="Stop").click()
        link = page.frame_locator("iframe").get_by_role("link", name="Result file")
        expect(link).to_be_visible(timeout=PATIENCE_MS)
        photograph(browser, f"{url}straingauge/", "over", asked.folder)
        browser.close()


if __name__ == "__main__":
    main()
