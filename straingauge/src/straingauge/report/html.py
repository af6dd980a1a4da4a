"""The shell of every HTML page: one file that loads nothing from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from straingauge.report.grades import look, words

REPORT: Final = "straingauge.report"
STYLES: Final = ("colours.css", "page.css", "charts.css", "flame.css", "waterfall.css", "print.css")
CHART_SCRIPTS: Final = (
    "format.js",
    "scales.js",
    "time_axis.js",
    "draw.js",
    "cursor.js",
    "picture.js",
    "download.js",
    "figure.js",
)


def render(template: str, *, package: str = REPORT, script: str = "", **values: object) -> str:
    """Render a page from a template that extends `shell.html`.

    Args:
        template: Its file name in the package's `templates`.
        package: The package.
        script: JavaScript of the page; its content security policy allows no other.
        values: What the template shows; escaped.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment(package)
        .get_template(template)
        .render(
            style=package_text("style", STYLES),
            script=script,
            script_hash=f"sha256-{digest}",
            version=version("straingauge"),
            **values,
        )
    )


def package_text(folder: str, names: Sequence[str]) -> str:
    """The texts of the report's style sheets or scripts, one after the other."""
    kept = files(REPORT) / folder
    return "\n".join((kept / name).read_text("utf-8") for name in names)


def embedded_json(data: object) -> str:
    """JSON for a script element; nothing in it can end that element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _breakable(name: str) -> Markup:
    """Let a line break within a name after "_" and "/", before it breaks elsewhere."""
    return Markup(re.sub("[_/]", r"\g<0><wbr>", str(escape(name))))  # noqa: S704  escaped


@cache
def _environment(package: str) -> Environment:
    loaders = [PackageLoader(each) for each in dict.fromkeys((package, REPORT))]
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breakable"] = _breakable
    made.globals |= {"look": look, "grade_words": words}
    return made
