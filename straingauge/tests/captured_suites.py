"""Captured requests, and the suites that `straingauge init` creates from them."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from hypothesis import strategies as st
from straingauge.cli import main
from straingauge.cli.journey_file import from_file
from straingauge.http import Request
from straingauge.journey import Pause, User

HOST = "https://shop.example"
URL = "http://127.0.0.1:9"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def init(folder: Path, *arguments: object, text: str | None = None) -> Result:
    """Create a suite in a folder."""
    options = ["init", "-o", str(folder / "load"), *map(str, arguments)]
    return CliRunner().invoke(main, options, input=text)


def steps(folder: Path) -> list[Request | Pause]:
    """Return the steps of all journeys of a suite."""
    found: list[Any] = []
    for journey, _ in from_file(folder / "load" / "journeys.py").journeys.weights:
        found += journey(User(0))
    return found


def har(*entries: dict[str, Any]) -> dict[str, Any]:
    """Make a HAR file."""
    return {"log": {"version": "1.2", "entries": list(entries)}}


def entry(
    second: float,
    url: str,
    method: str = "GET",
    *,
    status: int = 200,
    sets: str = "",
    **request: Any,  # noqa: ANN401  parts of one
) -> dict[str, Any]:
    """Make an entry of a HAR file."""
    headers = [{"name": "Set-Cookie", "value": sets}] if sets else []
    return {
        "startedDateTime": f"2026-10-10T13:55:{second:06.3f}Z",
        "time": 100,
        "request": {"method": method, "url": url, "headers": [], **request},
        "response": {"status": status, "headers": headers},
    }


def written(folder: Path) -> str:
    """Return the text of all files of a suite."""
    return "".join(path.read_text() for path in sorted((folder / "load").iterdir()))


def headers(**values: str) -> list[dict[str, str]]:
    """Make headers as HAR files and Postman collections have them; both names are there."""
    return [
        {"name": name.replace("_", "-"), "key": name.replace("_", "-"), "value": value}
        for name, value in values.items()
    ]
