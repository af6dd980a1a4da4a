# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge history`: how stored results change over time."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.screen import standard_output


@main.command(epilog=EXIT_CODES, short_help="Show how stored results change over time.")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FOLDER..."
)
@click.option("--test", "names", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--endpoint", default="", metavar="NAME", help="Of this endpoint, not of all.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="As thresholds.toml names it; repeatable.  [default: the main ones]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="HTML",
    help="Write a page, too.",
)
def history(
    *,
    paths: tuple[Path, ...],
    names: tuple[str, ...],
    endpoint: str,
    metrics: tuple[str, ...],
    output: Path | None,
) -> None:
    """Shows how the results in a folder change over time, and where their level changed.

    \b
      straingauge history results/
      straingauge history results/ --metric p99_ms --endpoint "GET /books" -o history.html

    One line for each load test and metric: a bar for each run, a stroke where the level changed,
    and since when, by how much and from which commit on. A change is one that chance does not
    explain (1 % a series) and that is 3 % or more; it takes some fourteen runs, four of them new.

    Invalid runs are left out. Runs with other settings or on another machine are a trend of their
    own. A file that is no result is named and passed over. A change is no failure: the exit code
    is 0; `straingauge compare` is what fails.
    """
    from straingauge.errors import UsageError
    from straingauge.history import lines, page, trends
    from straingauge.history.series import SHOWN
    from straingauge.report.terminal import render
    from straingauge.result.histograms import export_to

    _check(metrics, endpoint)
    results = [
        (result, path) for result, path in _results(paths) if not names or result["name"] in names
    ]
    found = trends(results, metrics=metrics or SHOWN, endpoint=endpoint)
    if not found:
        of = f" of {endpoint}" if endpoint else ""
        raise UsageError(
            f"there is no valid result with these figures{of}",
            hint="name the folder that load tests wrote results into, or fewer conditions",
        )
    click.echo(render(lines(found), **standard_output()), nl=False)
    if output is not None:
        click.echo(f"page     {export_to(output, [page(found)])}")


def _check(metrics: Iterable[str], endpoint: str) -> None:
    """A misspelt metric would show nothing."""
    import difflib

    from straingauge.errors import UsageError
    from straingauge.verdict.metrics import METRICS

    known = [name for name, metric in METRICS.items() if metric.of_endpoint or not endpoint]
    for name in metrics:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
            raise UsageError(f"--metric {name}: there is no such metric here", hint=hint)


def _results(paths: Iterable[Path]) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """All results; in a folder with years of them one broken file must not hide the others."""
    from straingauge.errors import UsageError
    from straingauge.result import read
    from straingauge.result.reading import is_result

    for path in paths:
        for file in sorted(path.rglob("*.json")) if path.is_dir() else (path,):
            try:
                if is_result(file):
                    yield read(file), file
            except UsageError as error:
                if not path.is_dir():
                    raise
                click.echo(f"passed over  {error}", err=True)
