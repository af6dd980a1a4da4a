# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge report`: results of load tests."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main, print_skipped
from straingauge.cli.screen import standard_output

if TYPE_CHECKING:
    from straingauge.result.format.result import Result


@main.command(epilog=EXIT_CODES, short_help="Show results of load tests.")
@click.argument("files", nargs=-1, required=True, type=common_options.PATH, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    type=common_options.PATH,
    metavar="PAGE",
    help="HTML page with charts to write, or Markdown if the name ends in .md.",
)
def report(*, files: tuple[Path, ...], output: Path | None) -> None:
    """Show results of load tests, one row each.

    \b
      straingauge report results/*.json -o report.html

    The page is one file and loads nothing from elsewhere. A session's summary
    file stands for all its results. Runs with the same name are shown side by
    side.

    The exit code is 0 whatever the verdicts are.
    """
    from straingauge.errors import UsageError
    from straingauge.report import verdict_table
    from straingauge.report.terminal import labelled
    from straingauge.result.format import read_all

    if output is not None and output.suffix not in (".html", ".md"):
        raise UsageError(f"{output}: the name must end in .html or .md", hint="-o report.html")
    results = read_all(files, print_skipped)
    click.echo(verdict_table(results, **standard_output()), nl=False)
    if output is not None:
        click.echo(labelled("report", _write([result for result, _ in results], output)))


def _write(results: "list[Result]", output: Path) -> Path:
    from straingauge.report.markdown import markdown
    from straingauge.report.page import page
    from straingauge.result.format.write import write_lines

    text = page(results) if output.suffix == ".html" else markdown(results)
    return write_lines(output, [text])
