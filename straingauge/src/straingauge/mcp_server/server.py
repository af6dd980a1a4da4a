"""The tools that an assistant can call."""

from pathlib import Path
from typing import Annotated, Final

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from straingauge.errors import UsageError
from straingauge.mcp_server.commands import Commands

MAX_USERS: Final = 1_000
MAX_DURATION_S: Final = 300.0
MAX_RATE: Final = 10_000.0
AROUND_A_LOAD_S: Final = 180.0  # start of the service, warm-up, traces after the load
READING_S: Final = 120.0
INSTRUCTIONS: Final = """\
Load tests of HTTP services on this machine. `doctor` checks that a load test can run, `run` sends \
load and names the likely causes of slow or failed requests, `report` reads result files, and \
`compare` tells whether one result is worse than another. Load goes to this machine only. A \
journey file is Python code, and is executed."""

_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_LOADS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)

JourneyFile = Annotated[str, Field(description="Journey file, relative to the server's folder.")]
Paths = Annotated[
    list[str] | None, Field(description="Paths to request by GET, in place of a journey file.")
]
Host = Annotated[
    str | None,
    Field(description="Base URL on this machine; without it, the service of straingauge.toml."),
]
Result = Annotated[str, Field(description="Result file, or a folder of them.")]


def make_server(folder: Path) -> MCPServer:
    """Make a server whose files are below a folder."""
    server: MCPServer = MCPServer("straingauge", instructions=INSTRUCTIONS, log_level="ERROR")
    commands = Commands(folder)

    @server.tool(annotations=_LOADS)
    async def run(
        *,
        file: JourneyFile | None = None,
        paths: Paths = None,
        host: Host = None,
        users: Annotated[int, Field(ge=1, le=MAX_USERS)] = 10,
        rate: Annotated[
            float | None, Field(gt=0, le=MAX_RATE, description="Arrivals per second.")
        ] = None,
        duration_s: Annotated[float, Field(gt=0, le=MAX_DURATION_S)] = 10.0,
    ) -> str:
        """Send load to a service on this machine; return the verdict and the likely causes."""
        arguments = ["run", *_target(commands, file, paths, host)]
        arguments += ["--users", str(users), "--duration", f"{duration_s:g}s"]
        arguments += [] if rate is None else ["--rate", f"{rate:g}"]
        return await commands.run(arguments, duration_s + AROUND_A_LOAD_S)

    @server.tool(annotations=_LOADS)
    async def doctor(file: JourneyFile | None = None, host: Host = None) -> str:
        """Check that a load test can run; each journey of the file runs once."""
        return await commands.run(["doctor", *_target(commands, file, None, host)], READING_S)

    @server.tool(annotations=_READS)
    async def report(result: Result) -> str:
        """Show the verdicts, causes and advice of result files."""
        return await commands.run(["report", _inside(commands, result)], READING_S)

    @server.tool(annotations=_READS)
    async def compare(old: Result, new: Result) -> str:
        """Tell whether a result is better, worse or the same as an older one of the same test."""
        files = [_inside(commands, old), _inside(commands, new)]
        return await commands.run(["compare", *files], READING_S)

    return server


def _inside(commands: Commands, file: str) -> str:
    """Return a path below the folder; a refusal is the answer of the tool."""
    try:
        return commands.inside(file)
    except UsageError as error:
        raise ToolError(error.with_hint) from error


def _target(
    commands: Commands, file: str | None, paths: list[str] | None, host: str | None
) -> list[str]:
    """Return the arguments that say what is loaded."""
    found = [] if file is None else [_inside(commands, file)]
    for path in paths or ():
        found += ["--get", path]
    return [*found, *([] if host is None else ["--host", host])]
