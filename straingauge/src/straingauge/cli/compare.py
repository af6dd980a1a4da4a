# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge compare`: what changed from one result to another."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from straingauge.cli.group import EXIT_CODES, main

if TYPE_CHECKING:
    from straingauge.compare import Comparison, FailOn

_FILE = click.Path(path_type=Path)


@main.command(epilog=EXIT_CODES, short_help="Show what changed between two results.")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PERCENT",
    help="A change that nobody would mind.  [default: 5]",
)
@click.option(
    "--fail-on",
    "conditions",
    multiple=True,
    metavar="VERDICT[:N%]",
    help="Exit with 1 where a figure is so: worse, worse:5%, cannot-tell; repeatable.",
)
@click.option("--anyway", is_flag=True, help="Compare what should not be, with a warning.")
@click.option("--markdown", is_flag=True, help="Write it as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Write it as JSON.")
def compare(
    *,
    old: Path,
    new: Path,
    margin: float | None,
    conditions: tuple[str, ...],
    anyway: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Shows what changed from one result to another: by how much, how surely, and to what end.

    \b
      straingauge compare results/old.json results/new.json
      straingauge compare old.json new.json --fail-on worse:5% --markdown

    Each figure has the interval in which its change lies; all intervals hold at once with 95 %.
    *worse* and *better*: the whole interval lies beyond the margin. *same*: it lies within it.
    *cannot tell*: neither; more data would say.

    Results of other tests, settings or machines are not compared, nor are invalid runs, unless
    --anyway. What the machine did between the two runs is in no interval: `straingauge ab` compares
    two builds free of that. With GITHUB_STEP_SUMMARY set, the table goes there as well.
    """
    from straingauge.compare import MARGIN_PERCENT, FailOn
    from straingauge.compare import compare as compared
    from straingauge.result import read

    fail_on = [FailOn.parse(each) for each in conditions]
    comparison = compared(
        read(old), read(new), margin_percent=margin or MARGIN_PERCENT, anyway=anyway
    )
    show(comparison, as_markdown=markdown, as_json=as_json)
    if failures(comparison, fail_on):
        sys.exit(1)


def show(comparison: "Comparison", *, as_markdown: bool, as_json: bool) -> None:
    """Write a comparison to standard output, and to GitHub's summary where there is one."""
    from straingauge.compare import as_dict, table
    from straingauge.compare import markdown as in_markdown

    if as_json:
        click.echo(json.dumps(as_dict(comparison), indent=2, allow_nan=False))
    elif as_markdown:
        click.echo(in_markdown(comparison), nl=False)
    else:
        width = shutil.get_terminal_size(fallback=(120, 24)).columns
        click.echo(table(comparison, width=width, colour=sys.stdout.isatty()), nl=False)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(in_markdown(comparison))


def failures(comparison: "Comparison", fail_on: "list[FailOn]") -> bool:
    """Whether it fails by one of the conditions; says by which figures."""
    from straingauge.compare.text import described

    failed = {id(each): each for one in fail_on for each in one.failed(comparison.changes)}
    for change in failed.values():
        click.echo(f"failed   {change.verdict}: {described(change)}", err=True)
    return bool(failed)
