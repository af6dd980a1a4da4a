# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge init`: a first load suite for a service, from its OpenAPI document."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from straingauge.cli.group import EXIT_CODES, main

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from straingauge.scaffold import Scaffold


@main.command(epilog=EXIT_CODES, short_help="Draft a first load suite from an OpenAPI document.")
@click.argument("url")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("load"),
    show_default=True,
    help="Folder for the suite.",
)
@click.option(
    "--openapi",
    "document",
    metavar="PATH|FILE",
    help="The document's path at the service, or a file; else the usual paths are tried.",
)
@click.option("--writes", is_flag=True, help="Call what changes data, too.")
def init(*, url: str, folder: Path, document: str | None, writes: bool) -> None:
    """Drafts a first load suite for the service at URL, from its OpenAPI document.

    \b
      straingauge init http://localhost:8000
      straingauge run load/journeys.py --host http://localhost:8000
      pytest load

    Written are journeys.py, thresholds.toml and test_load.py, which run at once. Values come from
    the document's examples, defaults and schemas; ids from the lists that have them. What it does
    not tell stands in journeys.py as fill_in(...), which raises, and is left out of the mix.

    Nothing is overwritten, and only the document is asked for: no load is sent.
    """
    from straingauge import scaffold
    from straingauge.observe.process import is_here

    url = _base(url)
    made = scaffold.scaffold(
        scaffold.fetch(url, document),
        url,
        folder.resolve(),
        here=is_here(_host(url)),
        writes=writes,
    )
    for path in scaffold.write(made, folder):
        click.echo(f"written  {path}")
    for line in _told(made, url, folder):
        click.echo(line)


def _base(url: str) -> str:
    """The address without what may follow it: the document says what is where."""
    from urllib.parse import urlsplit

    from straingauge.errors import UsageError

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError(f"{url!r} is no address", hint="write it as http://localhost:8000")
    if parts.path.strip("/"):
        raise UsageError(
            f"{url}: the address has no path",
            hint=f"straingauge init {parts.scheme}://{parts.netloc} --openapi {parts.path}",
        )
    return f"{parts.scheme}://{parts.netloc}"


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or ""


def _told(made: "Scaffold", url: str, folder: Path) -> "Iterable[str]":
    """What is called, what is not and why, and what to do next."""
    yield f"called   {_listed([operation.name for operation in made.mixed])}"
    for operation, reason in made.left_out:
        yield f"left out {operation.name}: {reason}"
    if made.settings:
        yield f"needed   in the environment: {', '.join(made.settings)}"
    yield f"next     straingauge doctor {folder}/journeys.py --host {url}"
    yield f"         straingauge run {folder}/journeys.py --host {url}"
    host = "" if "pytest.ini" in made.files else f" --load-host {url}"
    yield f"         pytest {folder}{host}"


def _listed(names: "Sequence[str]") -> str:
    return ", ".join(names) if names else "nothing"
