# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge mcp`: load tests as tools of an assistant."""

from pathlib import Path

import click

from straingauge.cli.group import EXIT_CODES, main
from straingauge.errors import UsageError
from straingauge.extras import install_command


@main.command(epilog=EXIT_CODES, short_help="Offer load tests to an assistant (MCP).")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    show_default=True,
    metavar="DIR",
    help="Folder of the load tests; files outside of it are refused.",
)
def mcp(*, folder: Path) -> None:
    """Serve the Model Context Protocol on standard input and output.

    \b
      straingauge mcp --folder load
      {"mcpServers": {"straingauge": {"command": "straingauge", "args": ["mcp"]}}}

    An assistant with this configuration can call four tools: `run` (at most
    1,000 users and 300 s), `doctor`, `report` and `compare`. Load goes to this
    machine only. A journey file is Python code, and `run` and `doctor` execute
    it.
    """
    try:
        from straingauge.mcp_server import make_server
    except ModuleNotFoundError as error:
        raise UsageError(
            "the server needs an extra of this package", hint=install_command("mcp")
        ) from error
    make_server(folder.resolve()).run("stdio")
