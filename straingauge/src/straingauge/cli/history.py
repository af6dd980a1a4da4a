# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge history`: trends of stored results."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main, print_skipped
from straingauge.cli.screen import standard_output


@main.command(epilog=EXIT_CODES, short_help="Show trends of stored results.")
@click.argument("paths", nargs=-1, required=True, type=common_options.PATH, metavar="FOLDER...")
@click.option("--test", "names", multiple=True, metavar="NAME", help="Load test. Repeatable.")
@click.option(
    "--endpoint",
    default="",
    metavar="NAME",
    show_default="all endpoints together",
    help="Endpoint.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    show_default="the main ones",
    help="Metric, as in a threshold file. Repeatable.",
)
@common_options.page
@common_options.as_json
def history(
    *,
    paths: tuple[Path, ...],
    names: tuple[str, ...],
    endpoint: str,
    metrics: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Show trends of the results in a folder, and where their level shifted.

    \b
      straingauge history results/ --metric p99_ms -o history.html

    Prints a line for each load test and metric, with a bar for each run and a
    stroke where the level shifted, and since which commit. A shift is 3 % or
    more and statistically significant (1 % per series); to find one takes about
    14 runs, 4 of them after it.

    Invalid runs are skipped. Runs with different settings or on a different
    machine are a separate trend. The exit code is 0 whatever the trends are;
    `straingauge compare` can fail.
    """
    from straingauge.errors import UsageError
    from straingauge.history import lines, page, trends
    from straingauge.history.series import SHOWN
    from straingauge.report.terminal import labelled, render
    from straingauge.result.format import read_all
    from straingauge.result.format.write import json_text, write_lines

    _check(metrics, endpoint)
    results = read_all(paths, print_skipped, subfolders=True)
    known = {result["name"] for result, _ in results}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"--test {unknown[0]}: there is no result of that load test",
            hint=f"there are: {', '.join(sorted(known))}",
        )
    results = [pair for pair in results if not names or pair[0]["name"] in names]
    found = trends(results, metrics=metrics or SHOWN, endpoint=endpoint)
    if not found:
        of = f" of {endpoint}" if endpoint else ""
        raise UsageError(
            f"no valid result has these metrics{of}",
            hint="name the folder of the result files, or use fewer options",
        )
    if as_json:
        click.echo(json_text([asdict(trend) for trend in found]), nl=False)
    else:
        terminal = standard_output()
        shown = lines(found, terminal["width"])
        click.echo(render(shown, **terminal, indent=5), nl=False)
    if output is not None:
        click.echo(labelled("page", write_lines(output, [page(found)])), err=as_json)


def _check(metrics: Iterable[str], endpoint: str) -> None:
    """Raise UsageError for an unknown metric."""
    import difflib

    from straingauge.errors import UsageError
    from straingauge.verdict.metrics import METRICS, find_metric

    known = [name for name, metric in METRICS.items() if metric.per_endpoint or not endpoint]
    for name in metrics:
        metric = find_metric(name)
        if metric is None or not (metric.per_endpoint or not endpoint):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known metrics: {', '.join(known)}"
            raise UsageError(f"--metric {name}: unknown metric", hint=hint)
