# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge baseline`: results that later ones are compared with."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.screen import standard_output

if TYPE_CHECKING:
    from straingauge.compare.baselines import Baselines


@main.group(epilog=EXIT_CODES, short_help="Keep named results to compare with.")
def baseline() -> None:
    """Keep results by name, and compare later ones with them.

    \b
      straingauge baseline save main results/NAME.json
      straingauge compare baseline:main results/NEW.json

    A baseline is a folder with one result for each load test. Commit the folder, or
    keep it in the cache of a CI system.
    """


@baseline.command(epilog=EXIT_CODES)
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=common_options.PATH, metavar="FILE...")
@click.option("--replace", is_flag=True, help="Replace results that the baseline has.")
@common_options.baselines
def save(*, name: str, files: tuple[Path, ...], replace: bool, folder: Path) -> None:
    """Copy results to the baseline NAME.

    \b
      straingauge baseline save main results/*.json --replace

    A session's summary file stands for all its results. Invalid runs are refused.
    """
    from straingauge.compare.baselines import Baselines
    from straingauge.report.terminal import labelled
    from straingauge.result.format import read_all

    for path in Baselines(folder).save(name, read_all(files), replace=replace):
        click.echo(labelled("saved", path))


@baseline.command("list", epilog=EXIT_CODES)
@common_options.baselines
@common_options.as_json
def list_baselines(*, folder: Path, as_json: bool) -> None:
    """List all baselines with their load tests.

    \b
      straingauge baseline list
    """
    from straingauge.compare.baselines import Baselines
    from straingauge.result.format.write import json_text

    rows = list(_rows(Baselines(folder)))
    if as_json:
        click.echo(json_text(rows), nl=False)
    elif not rows:
        click.echo(f"there is no baseline in {folder}")
    else:
        table = [list(rows[0]), *(list(row.values()) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for cells in table:
            padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
            click.echo("  ".join(padded).rstrip())


@baseline.command(epilog=EXIT_CODES)
@click.argument("name")
@common_options.baselines
@common_options.as_json
def show(*, name: str, folder: Path, as_json: bool) -> None:
    """Show the results of the baseline NAME, as `straingauge report` does.

    \b
      straingauge baseline show main
    """
    from straingauge.compare.baselines import Baselines
    from straingauge.report import verdict_table
    from straingauge.result.format.write import json_text

    results = Baselines(folder).results(name)
    if as_json:
        click.echo(json_text([result for result, _ in results]), nl=False)
    else:
        click.echo(verdict_table(results, **standard_output()), nl=False)


def _rows(baselines: "Baselines") -> Iterator[dict[str, str]]:
    """Yield baseline, load test, start, commit and file of each result."""
    for name in baselines.names:
        for result, path in baselines.results(name):
            commit = result["environment"].get("commit")
            yield {
                "baseline": name,
                "test": result["name"],
                "started_at": result["started_at"],
                "commit": commit["id"][:9] + "+" * commit["modified"] if commit else "",
                "file": str(path),
            }
