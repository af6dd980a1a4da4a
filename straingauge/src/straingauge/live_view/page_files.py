"""The files of the live page: a separate page with `run` and pytest, and a tab of Locust's."""

from pathlib import Path
from typing import Final, Literal

from straingauge.report.html import CHART_SCRIPTS, STYLES, package_text

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
FILES: Final = ("live.css", "live.js", "dom.js")
SHARED: Final = {  # of the report: files of a folder, served as one
    "report.css": ("style", STYLES),
    "report.js": ("script", CHART_SCRIPTS),
}
# No content from other hosts, and no markup or script from endpoint names.
FRAME_POLICY: Final = "frame-ancestors 'self'"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    f"base-uri 'none'; form-action 'none'; {FRAME_POLICY}"
)


def page(source: Literal["locust", "run"]) -> str:
    """Return the page, for Locust's users or for those of `run` and pytest."""
    text = (_FOLDER / "live.html").read_text("utf-8")
    text = text.replace("{{ time_axis }}", package_text("templates", ("time_axis.html",)))
    return text.replace('data-source="locust"', f'data-source="{source}"')


def static_file(name: str) -> tuple[str, str] | None:
    """Return the text and the media type of a file that the page loads; None of no such file."""
    if name in SHARED:
        return package_text(*SHARED[name]), _TYPES[name[name.rindex(".") :]]
    if name in FILES:
        return (_FOLDER / name).read_text("utf-8"), _TYPES[name[name.rindex(".") :]]
    return None
