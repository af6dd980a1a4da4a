"""Another machine, made up of namespaces: its own address, and none of our processes in sight.

The service and its PostgreSQL listen on the loopback address only, so what comes to this machine's
other address is passed on to them.
"""

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from straingauge import UsageError

HERE, THERE = "10.78.0.1", "10.78.0.2"
LINK_HERE, LINK_THERE, NAMESPACE = "prove-here", "prove-there", "prove-elsewhere"
READER = "prove_reader"
BACKLOG = 1_024
BLOCK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Machine:
    """What the other machine has to know.

    Attributes:
        url: Where it finds the service.
        database_url: Where it finds the database, as a role that may read its statistics only.
        by: The command that runs another one there.
    """

    url: str
    database_url: str
    by: tuple[str, ...]


@contextmanager
def another_machine(url: str, database_url: str) -> Iterator[Machine]:
    """A machine beside the one where the service is, for as long as the block lasts.

    Args:
        url: The service, as this machine knows it.
        database_url: Its database; the role has to be a superuser.

    Raises:
        UsageError: It takes root, `ip` and `unshare`.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))):
        raise UsageError(
            "another machine is made up of namespaces, which takes root, ip and unshare",
            "sudo make prove ARGS=--elsewhere (Debian: apt install iproute2 util-linux)",
        )
    asyncio.run(_let_read(database_url))
    with ExitStack() as stack:
        _ip("netns", "add", NAMESPACE)
        stack.callback(_ip, "netns", "delete", NAMESPACE)
        _ip("link", "add", LINK_HERE, "type", "veth", "peer", LINK_THERE, "netns", NAMESPACE)
        stack.callback(_ip, "link", "delete", LINK_HERE)
        _ip("address", "add", f"{HERE}/24", "dev", LINK_HERE)
        _ip("link", "set", LINK_HERE, "up")
        for of in (("address", "add", f"{THERE}/24", "dev", LINK_THERE),
                   ("link", "set", LINK_THERE, "up"), ("link", "set", "lo", "up")):  # fmt: skip
            _ip("-netns", NAMESPACE, *of)
        yield Machine(
            url=stack.enter_context(_passed_on(url)),
            database_url=stack.enter_context(_passed_on(database_url, f"{READER}:{READER}@")),
            by=("ip", "netns", "exec", NAMESPACE, "unshare", "--pid", "--fork", "--mount-proc"),
        )


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


async def _let_read(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", READER):
            await connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER}'")
            await connection.execute(f"GRANT pg_read_all_stats TO {READER}")
    finally:
        await connection.close()


@contextmanager
def _passed_on(url: str, who: str = "") -> Iterator[str]:
    """Listen on the other address, and pass on what comes; gives the URL to use there."""
    parts = urlsplit(url)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(_listen(parts.hostname, parts.port))
    thread = threading.Thread(target=loop.run_forever, name="passing-on")
    thread.start()
    try:
        port = server.sockets[0].getsockname()[1]
        yield urlunsplit(parts._replace(netloc=f"{who}{HERE}:{port}"))
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listen(host: str | None, port: int | None) -> asyncio.Server:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()  # as refused as it can be by now
            return
        await asyncio.gather(_copy(reader, to[1]), _copy(to[0], writer))

    return await asyncio.start_server(pass_on, HERE, 0, backlog=BACKLOG)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):  # what one side does is done to the other
        while block := await reader.read(BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
    writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    own = asyncio.current_task()
    tasks: list[asyncio.Task[Any]] = [task for task in asyncio.all_tasks() if task is not own]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
