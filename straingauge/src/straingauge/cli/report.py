# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge report`: what load tests found, from their files."""

from pathlib import Path

import click

from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.screen import standard_output

_FILE = click.Path(path_type=Path)


@main.command(epilog=EXIT_CODES, short_help="Show what load tests found.")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    type=_FILE,
    metavar="PAGE.html",
    help="Write a page with charts, or Markdown where the name ends in .md.",
)
def report(*, files: tuple[Path, ...], output: Path | None) -> None:
    """Shows what load tests found, from their result files, one row each.

    \b
      straingauge report results/*.json
      straingauge report results/*.json -o report.html

    The page is one file that needs no network. A session's summary file stands for its results;
    several runs of one test are shown side by side.

    Showing a bad result is no failure: the exit code is 0 whatever the verdicts are.
    """
    from straingauge.errors import UsageError
    from straingauge.report import verdict_table
    from straingauge.result import read_all

    if output is not None and output.suffix not in (".html", ".md"):
        raise UsageError(f"{output}: neither a page nor Markdown", hint="-o report.html")
    results = read_all(files)
    click.echo(verdict_table(results, **standard_output()), nl=False)
    if output is not None:
        click.echo(f"report   {_write([result for result, _ in results], output)}")


def _write(results: list[dict[str, object]], output: Path) -> Path:
    from straingauge.report.markdown import markdown
    from straingauge.report.page import page
    from straingauge.result.histograms import export_to

    text = page(results) if output.suffix == ".html" else markdown(results)
    return export_to(output, [text])
