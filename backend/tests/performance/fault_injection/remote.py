"""A simulated remote machine in Linux namespaces, with its own address and process list.

The service and PostgreSQL listen on the loopback address only, so connections to this machine's
address on the link are forwarded to them.
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

LOCAL_ADDRESS, REMOTE_ADDRESS = "10.78.0.1", "10.78.0.2"
LOCAL_LINK, REMOTE_LINK, NAMESPACE = "faults-local", "faults-remote", "faults-remote"
READER = "faults_reader"
BACKLOG = 1_024
BLOCK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class RemoteMachine:
    """A simulated remote machine.

    Attributes:
        url: URL of the service from there.
        database_url: URL of the database from there, as a role that can read statistics only.
        command_prefix: Arguments to put before a command to run it there.
    """

    url: str
    database_url: str
    command_prefix: tuple[str, ...]


@contextmanager
def remote_machine(url: str, database_url: str) -> Iterator[RemoteMachine]:
    """Create a simulated remote machine while the context is active.

    Args:
        url: URL of the service on this machine.
        database_url: URL of its database on this machine, as a superuser.

    Raises:
        UsageError: The process does not run as root, or `ip` or `unshare` is missing.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))):
        raise UsageError(
            "a simulated remote machine needs root, ip and unshare",
            "sudo make faults ARGS=--remote (Debian: apt install iproute2 util-linux)",
        )
    asyncio.run(_create_reader(database_url))
    with ExitStack() as stack:
        _ip("netns", "add", NAMESPACE)
        stack.callback(_ip, "netns", "delete", NAMESPACE)
        _ip("link", "add", LOCAL_LINK, "type", "veth", "peer", REMOTE_LINK, "netns", NAMESPACE)
        stack.callback(_ip, "link", "delete", LOCAL_LINK)
        _ip("address", "add", f"{LOCAL_ADDRESS}/24", "dev", LOCAL_LINK)
        _ip("link", "set", LOCAL_LINK, "up")
        for arguments in (
            ("address", "add", f"{REMOTE_ADDRESS}/24", "dev", REMOTE_LINK),
            ("link", "set", REMOTE_LINK, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-netns", NAMESPACE, *arguments)
        yield RemoteMachine(
            url=stack.enter_context(_forward(url)),
            database_url=stack.enter_context(_forward(database_url, f"{READER}:{READER}@")),
            command_prefix=(
                *("ip", "netns", "exec", NAMESPACE),
                *("unshare", "--pid", "--fork", "--mount-proc"),
            ),
        )


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


async def _create_reader(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", READER):
            await connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER}'")
            await connection.execute(f"GRANT pg_read_all_stats TO {READER}")
    finally:
        await connection.close()


@contextmanager
def _forward(url: str, credentials: str = "") -> Iterator[str]:
    """Forward connections from the link to `url`; yield the URL to use on the remote machine."""
    parts = urlsplit(url)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(_start_forwarder(parts.hostname, parts.port))
    thread = threading.Thread(target=loop.run_forever, name="forwarder")
    thread.start()
    try:
        port = server.sockets[0].getsockname()[1]
        yield urlunsplit(parts._replace(netloc=f"{credentials}{LOCAL_ADDRESS}:{port}"))
    finally:
        asyncio.run_coroutine_threadsafe(_shut_down(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start_forwarder(host: str | None, port: int | None) -> asyncio.Server:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()  # the closest to a refused connection
            return
        await asyncio.gather(_copy(reader, target_writer), _copy(target_reader, writer))

    return await asyncio.start_server(forward, LOCAL_ADDRESS, 0, backlog=BACKLOG)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):  # a reset on one side closes the other side
        while block := await reader.read(BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
    writer.close()


async def _shut_down(server: asyncio.Server) -> None:
    server.close()
    current = asyncio.current_task()
    tasks: list[asyncio.Task[Any]] = [task for task in asyncio.all_tasks() if task is not current]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
