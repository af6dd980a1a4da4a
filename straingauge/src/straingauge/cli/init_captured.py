"""`straingauge init` from captured requests."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from straingauge.errors import UsageError
from straingauge.number_text import count
from straingauge.observe.process import is_here
from straingauge.report.terminal import labelled
from straingauge.scaffold import write
from straingauge.scaffold.captured import (
    Capture,
    CapturedSuite,
    parse_curl,
    parse_har,
    parse_postman,
    read_json,
    suite_of,
)
from straingauge.scaffold.captured.suite import own_origin

_LABEL_WIDTH: Final = len("environment")
_DEFAULT_URL: Final = "http://localhost:8000"


def init_captured(
    url: str | None,
    folder: Path,
    *,
    har: Path | None,
    curl: str | None,
    postman: Path | None,
    environment: Path | None,
    writes: bool,
) -> None:
    """Create a load suite from captured requests; exactly one kind of them is given.

    Raises:
        UsageError: They cannot be read, or no request is left.
    """
    capture = _capture(url, har, curl, postman, environment)
    url = url or own_origin(capture, "") or _DEFAULT_URL
    here = is_here(urlsplit(url).hostname or "")
    suite = suite_of(capture, url, folder.resolve(), here=here, writes=writes)
    for path in write(suite.scaffold, folder):
        click.echo(labelled("written", path, _LABEL_WIDTH))
    for label, text in _summary(suite, url, folder, here=here):
        click.echo(labelled(label, text, _LABEL_WIDTH))


def _capture(
    url: str | None,
    har: Path | None,
    curl: str | None,
    postman: Path | None,
    environment: Path | None,
) -> Capture:
    if har is not None:
        return parse_har(read_json(har, "a HAR file"), har.name)
    if postman is not None:
        content = read_json(postman, "a Postman collection")
        values = None
        if environment is not None:
            values = read_json(environment, "a Postman environment")
        return parse_postman(content, postman.name, url or _DEFAULT_URL, values)
    assert curl is not None
    return parse_curl(_standard_input() if curl == "-" else curl, url or _DEFAULT_URL)


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UsageError("curl: the command is not UTF-8") from error


def _summary(
    suite: CapturedSuite, url: str, folder: Path, *, here: bool
) -> Iterator[tuple[str, str]]:
    """Yield what the suite covers and skips, its secrets, and the next commands."""
    yield "covered", ", ".join(suite.covered)
    if suite.pauses_s:
        yield "pauses", f"{suite.pauses_s:.0f} s, as captured"
    for reason, amount in suite.skipped.items():
        yield "skipped", f"{count(amount, 'request')} {reason}"
    for note in suite.notes:
        yield "note", note
    for name, place in suite.secrets.items():
        yield "environment", f"{name}: {place} (not written; export it before a run)"
    yield "next", f"straingauge doctor {folder}/journeys.py --host {url}"
    yield "", f"straingauge run {folder}/journeys.py --host {url}"
    host = "" if here else f" --load-host {url}"
    yield "", f"pytest {folder}{host}"
