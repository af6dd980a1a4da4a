# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge schema`: JSON Schemas of files."""

import json
from pathlib import Path
from typing import Final

import click

from straingauge.cli.group import EXIT_CODES, main

CONFIGURATION: Final = ("straingauge", "thresholds")
RESULTS: Final = ("result", "session", "ab", "capacity")


@main.command(epilog=EXIT_CODES, short_help="Show the JSON Schema of a file.")
@click.argument("name", type=click.Choice([*CONFIGURATION, *RESULTS]))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    show_default="standard output",
    help="File to write.",
)
def schema(*, name: str, output: Path | None) -> None:
    """Show the JSON Schema of straingauge.toml, thresholds.toml or a result file.

    \b
      straingauge schema straingauge -o straingauge.schema.json
      straingauge schema thresholds -o thresholds.schema.json

    Editors with Taplo (Even Better TOML) complete and check a TOML file whose first
    line names the schema, relative to the file:

    \b
      #:schema straingauge.schema.json
    """
    from straingauge.cli.toml_schemas import TOML_SCHEMAS
    from straingauge.result.format.schema import schema as result_schema
    from straingauge.result.format.write import write_lines

    found = TOML_SCHEMAS[name]() if name in CONFIGURATION else result_schema(f"{name}-1")
    text = json.dumps(found, indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        click.echo(write_lines(output, [text], option="-o"))
