# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge init`: a load suite from an OpenAPI document, or from captured requests."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main
from straingauge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from straingauge.scaffold import Scaffold

_LABEL_WIDTH: Final = len("environment")


@main.command(epilog=EXIT_CODES, short_help="Create a load suite from an OpenAPI document.")
@click.argument("url", required=False)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("load"),
    show_default=True,
    metavar="DIR",
    help="Folder of the suite.",
)
@click.option(
    "--openapi",
    "document",
    metavar="PATH|FILE",
    show_default="the usual paths",
    help="Path of the document at the service, or a file.",
)
@click.option("--har", type=common_options.PATH, metavar="FILE", help="HAR file of a browser.")
@click.option("--curl", metavar="COMMAND", help="curl command; - reads standard input.")
@click.option(
    "--postman",
    type=common_options.PATH,
    metavar="FILE",
    help="Postman collection, version 2.0 or 2.1.",
)
@click.option(
    "--postman-environment",
    "environment",
    type=common_options.PATH,
    metavar="FILE",
    help="Exported Postman environment with the values of the collection's variables.",
)
@click.option(
    "--writes",
    is_flag=True,
    help="Include operations that create data, and those that change what they created; of"
    " captured requests, all methods.",
)
def init(
    *,
    url: str | None,
    folder: Path,
    document: str | None,
    har: Path | None,
    curl: str | None,
    postman: Path | None,
    environment: Path | None,
    writes: bool,
) -> None:
    """Create a load suite for the service at URL from its OpenAPI document.

    \b
      straingauge init http://localhost:8000
      straingauge init --har recorded.har http://localhost:8000
      straingauge init --postman collection.json --writes http://localhost:8000
      straingauge init --curl "curl http://localhost:8000/items -H 'Accept: */*'"
      straingauge run load/journeys.py --host http://localhost:8000

    Writes journeys.py, thresholds.toml and test_load.py, ready to run. Values
    are taken from the examples, defaults and schemas of the document, ids from
    the lists that return them. Unknown values become fill_in(...), and their
    journeys are commented out of the mix.

    From captured requests, those to one host are taken: that of URL, or else of the
    first request. A HAR file becomes one journey with the pauses of its user, a
    Postman collection one journey for each folder. Cookies, passwords, tokens and
    other secrets are not written: the suite reads them from the environment.

    No file is overwritten, and no load is sent.
    """
    captured = {"har": har, "curl": curl, "postman": postman}
    given = [f"--{name}" for name, value in captured.items() if value is not None]
    if len([*given, *(["--openapi"] if document is not None else [])]) > 1:
        raise UsageError(f"{given[0]} and another source: a suite has one", hint="name only one")
    if environment is not None and postman is None:
        raise UsageError(
            "--postman-environment has the values of a collection", hint="--postman FILE"
        )
    if given:
        from straingauge.cli.init_captured import init_captured

        init_captured(
            None if url is None else _base(url, " ".join(given)),
            folder,
            har=har,
            curl=curl,
            postman=postman,
            environment=environment,
            writes=writes,
        )
        return
    if url is None:
        raise UsageError(
            "name the URL of the service", hint="straingauge init http://localhost:8000"
        )
    from straingauge import scaffold
    from straingauge.observe.process import is_here
    from straingauge.report.terminal import labelled

    url = _base(url)
    here = is_here(_host(url))
    made = scaffold.scaffold(
        scaffold.fetch(url, document), url, folder.resolve(), here=here, writes=writes
    )
    for path in scaffold.write(made, folder):
        click.echo(labelled("written", path, _LABEL_WIDTH))
    for line in _summary(made, url, folder, here=here):
        click.echo(line)


def _base(url: str, option: str = "--openapi") -> str:
    """Scheme and host of the URL; raises UsageError, with advice on an option, if it has a path."""
    from urllib.parse import urlsplit

    from straingauge.http.address import parse_base_url

    parse_base_url(url)
    parts = urlsplit(url)
    if parts.path.strip("/"):
        value = parts.path if option == "--openapi" else "..."
        raise UsageError(
            f"{url}: the URL must not have a path",
            hint=f"straingauge init {parts.scheme}://{parts.netloc} {option} {value}",
        )
    return f"{parts.scheme}://{parts.netloc}"


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or ""


def _summary(made: "Scaffold", url: str, folder: Path, *, here: bool) -> "Iterator[str]":
    """The operations that the suite covers and skips, and the next commands."""
    from straingauge.report.terminal import labelled
    from straingauge.scaffold.suite import MAX_OPERATIONS

    def line(label: str, text: str) -> str:
        return labelled(label, text, _LABEL_WIDTH)

    covered = ", ".join(operation.name for operation in made.mixed) or "nothing"
    yield line("covered", covered)
    for operation, reason in made.skipped:
        yield line("skipped", f"{operation.name}: {reason}")
    if made.omitted:
        yield line("skipped", f"{made.omitted} more operations: a suite has {MAX_OPERATIONS}")
    if made.settings:
        yield line("environment", ", ".join(made.settings))
    yield line("next", f"straingauge doctor {folder}/journeys.py --host {url}")
    yield line("", f"straingauge run {folder}/journeys.py --host {url}")
    host = "" if here else f" --load-host {url}"
    yield line("", f"pytest {folder}{host}")
