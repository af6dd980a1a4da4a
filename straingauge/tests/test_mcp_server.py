"""The tools of the MCP server, called by the client of the protocol's own library."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from counting_service import Service, counting_service
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from straingauge.mcp_server import make_server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service in a separate process."""
    with counting_service() as running:
        yield running


def text(result: CallToolResult) -> str:
    """Return the text of a result."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_an_assistant_runs_and_reads_a_load(tmp_path: Path, service: Service):
    """Over standard input and output: the tools are listed, a load runs, and its file is read."""
    command = str(Path(sys.executable).with_name("straingauge"))
    server = StdioServerParameters(command=command, args=["mcp", "--folder", str(tmp_path)])
    load = {"paths": ["/hello"], "host": service.url, "users": 2, "duration_s": 0.5}

    async def session() -> tuple[set[str], str, str]:
        async with Client(server) as client:
            listed = await client.list_tools()
            ran = await client.call_tool("run", load)
            read = await client.call_tool("report", {"result": "results"})
            return {tool.name for tool in listed.tools}, text(ran), text(read)

    before = service.counts()["/hello"]
    tools, ran, read = asyncio.run(session())
    assert tools == {"run", "doctor", "report", "compare"}
    assert ran.endswith("exit code 0"), ran
    assert service.counts()["/hello"] > before
    assert "not judged" in read


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("report", {"result": "../elsewhere.json"}, "outside of"),
        ("report", {"result": "nowhere.json"}, "no such file"),
        ("run", {"file": "/etc/passwd"}, "outside of"),
        ("run", {"paths": ["/"], "users": 1_000_000}, "less than or equal to 1000"),
        ("run", {"paths": ["/"], "duration_s": 1e9}, "less than or equal to 300"),
        ("run", {"paths": ["/"], "host": "http://192.0.2.1"}, "--allow-host"),
        ("run", {"paths": ["/"], "host": "--allow-host=192.0.2.1"}, "exit code 2"),
    ],
)
def test_a_wrong_call_is_one_error(
    tmp_path: Path, tool: str, arguments: dict[str, object], message: str
):
    """A file outside of the folder, a load past the bounds and another host are refused."""

    async def call() -> str:
        async with Client(make_server(tmp_path)) as client:
            return text(await client.call_tool(tool, arguments))

    assert message in asyncio.run(call())
