# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge report`: results of load tests."""

from pathlib import Path

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main, print_skipped
from straingauge.cli.screen import standard_output
from straingauge.errors import UsageError


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

    The file of a search for capacity or of an A/B comparison, named alone, is
    shown as its command showed it; -o writes a page (.html) of a search, and
    Markdown (.md) of a comparison.

    The exit code is 0 whatever the verdicts are.
    """
    from straingauge.report import verdict_table
    from straingauge.report.output import renderer_for
    from straingauge.report.terminal import labelled
    from straingauge.result.format import read_all, read_kind
    from straingauge.result.format.write import json_text, write_lines

    if len(files) == 1 and (kind := read_kind(files[0])) in ("ab", "capacity"):
        text, page = {"ab": _comparison, "capacity": _search}[kind](
            files[0], output, as_json=as_json
        )
        click.echo(text, nl=False)
        if output is not None:
            click.echo(labelled("report", write_lines(output, [page])), err=as_json)
        return
    render = None if output is None else renderer_for(output)
    results = read_all(files, print_skipped)
    if as_json:
        click.echo(json_text([result for result, _ in results]), nl=False)
    else:
        click.echo(verdict_table(results, **standard_output()), nl=False)
    if output is not None and render is not None:
        text = render([result for result, _ in results])
        click.echo(labelled("report", write_lines(output, [text])), err=as_json)


def _comparison(file: Path, output: Path | None, *, as_json: bool) -> tuple[str, str]:
    """Return an A/B comparison as printed, and as Markdown."""
    from straingauge.ab import AB_VERSION, comparison_in
    from straingauge.compare import markdown, table
    from straingauge.result.format import read_document
    from straingauge.result.format.write import json_text

    _require_ending(output, ".md", "an A/B comparison")
    document = read_document(file, "ab", AB_VERSION)
    comparison = comparison_in(document)
    text = json_text(document) if as_json else table(comparison, **standard_output())
    return text, markdown(comparison)


def _search(file: Path, output: Path | None, *, as_json: bool) -> tuple[str, str]:
    """Return a search for capacity as printed, and as a page."""
    from straingauge.capacity import CAPACITY_VERSION, page
    from straingauge.cli.capacity import search_text
    from straingauge.result.format import read_document
    from straingauge.result.format.write import json_text

    _require_ending(output, ".html", "a search for capacity")
    document = read_document(file, "capacity", CAPACITY_VERSION)
    text = json_text(document) if as_json else search_text(document)
    return text, page(document)


def _require_ending(output: Path | None, ending: str, of: str) -> None:
    if output is not None and not output.name.lower().endswith(ending):
        raise UsageError(
            f"{output}: the name must end in {ending}: this is {of}", hint=f"-o report{ending}"
        )
