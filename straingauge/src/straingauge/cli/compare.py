# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge compare`: changes from one result to another."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.screen import fitting, standard_output

if TYPE_CHECKING:
    from straingauge.compare import Comparison, FailOn

MARGIN_PERCENT: Final = 5


@main.command(epilog=EXIT_CODES, short_help="Compare two results.")
@click.argument("old", type=common_options.PATH)
@click.argument("new", type=common_options.PATH)
@common_options.margin(MARGIN_PERCENT)
@common_options.fail_on
@common_options.baselines
@click.option("--force", is_flag=True, help="Compare despite different machines or settings.")
@common_options.markdown
@common_options.as_json
def compare(
    *,
    old: Path,
    new: Path,
    margin: float,
    conditions: tuple[str, ...],
    folder: Path,
    force: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Compare two results of the same load test.

    \b
      straingauge compare results/old.json results/new.json
      straingauge compare results/old.json results/new.json --fail-on worse:5%
      straingauge compare baseline:main results/new.json

    OLD may be a baseline (`straingauge baseline save`), which has a result for each
    load test.

    Each metric has a confidence interval of its change; all intervals together
    hold with 95 % confidence. The verdict depends on the whole interval:

    \b
      worse, better  beyond the margin
      same           within the margin
      inconclusive   neither; more data would decide it

    A change for the worse exits with 1; --fail-on selects other conditions.

    Results of different tests, settings or machines and invalid runs are not
    compared, unless --force is given. The interval covers chance within a run,
    not what the machine did between runs; `straingauge ab` avoids that.

    With GITHUB_STEP_SUMMARY set, the table is appended there as Markdown.
    """
    from straingauge.compare import FailOn
    from straingauge.compare import compare as compare_results
    from straingauge.compare.baselines import Baselines
    from straingauge.result.format import read

    fail_on = [FailOn.parse(each) for each in conditions]
    result = read(new)
    before = Baselines(folder).read(old, result)
    comparison = compare_results(before, result, margin_percent=margin, force=force)
    show(comparison, as_markdown=markdown, as_json=as_json)
    if failures(comparison, fail_on):
        sys.exit(1)


def show(comparison: "Comparison", *, as_markdown: bool, as_json: bool) -> None:
    """Print a comparison, and append it to GitHub's job summary if there is one."""
    from straingauge.compare import as_dict, table
    from straingauge.compare import markdown as in_markdown
    from straingauge.report.github import append_summary

    if as_json:
        click.echo(json.dumps(as_dict(comparison), indent=2, allow_nan=False))
    elif as_markdown:
        click.echo(in_markdown(comparison), nl=False)
    else:
        click.echo(table(comparison, **standard_output()), nl=False)
    for line in append_summary(in_markdown(comparison)):
        click.echo(line, err=True)


def failures(comparison: "Comparison", fail_on: "list[FailOn]") -> bool:
    """Print the changes that fail by one of the conditions; True if there are any."""
    from straingauge.compare.text import change_text
    from straingauge.report.terminal import labelled

    failed = {id(each): each for one in fail_on for each in one.failed(comparison.changes)}
    for change in failed.values():
        line = labelled("failed", f"{change.verdict}: {change_text(change)}")
        click.echo(fitting(line), err=True)
    return bool(failed)
