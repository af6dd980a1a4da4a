# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge report`: results of load tests."""

from pathlib import Path

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main, print_skipped
from straingauge.cli.screen import standard_output


@main.command(epilog=EXIT_CODES, short_help="Show results of load tests.")
@click.argument("files", nargs=-1, required=True, type=common_options.PATH, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    type=common_options.PATH,
    metavar="PAGE",
    help="HTML page with charts to write; Markdown (.md), JUnit for CI (.xml), SARIF for code"
    " scanning (.sarif) or profiles for speedscope (.speedscope.json); traces for Jaeger"
    " (.jaeger.json) or as OTLP (.otlp.json).",
)
@common_options.as_json
def report(*, files: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Show results of load tests, one row each.

    \b
      straingauge report results/*.json -o report.html
      straingauge report results/*.json -o report.xml

    The page (.html) is one file and loads nothing from elsewhere. A session's summary
    file stands for all its results. Runs with the same name are shown side by
    side. --json prints an array of the results.

    The exit code is 0 whatever the verdicts are.
    """
    from straingauge.report import verdict_table
    from straingauge.report.output import renderer_for
    from straingauge.report.terminal import labelled
    from straingauge.result.format import read_all
    from straingauge.result.format.write import json_text, write_lines

    render = None if output is None else renderer_for(output)
    results = read_all(files, print_skipped)
    if as_json:
        click.echo(json_text([result for result, _ in results]), nl=False)
    else:
        click.echo(verdict_table(results, **standard_output()), nl=False)
    if output is not None and render is not None:
        text = render([result for result, _ in results])
        click.echo(labelled("report", write_lines(output, [text])), err=as_json)
