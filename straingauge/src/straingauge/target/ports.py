"""Ports on loopback: find a free one, and the process that uses one."""

import errno
import secrets
import socket
from typing import Final

import psutil

HOST = "127.0.0.1"
_PORTS: Final = range(20_000, 32_768)
"""Ports that the system gives to no outgoing connection: Linux begins at 32,768, macOS at 49,152.

A load opens thousands of these. One of them could take the port of a service before it starts, or
while it restarts; and a connection to a port at which nothing listens could even reach itself.
"""
_TRIES: Final = 100


def free_port() -> int:
    """Return a port that was free a moment ago; binding it can still fail."""
    # Not `random`: processes that are forks of one, or have the same seed, would choose the same.
    for port in secrets.SystemRandom().sample(_PORTS, min(_TRIES, len(_PORTS))):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    with socket.socket() as probe:  # all others are in use
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_in_use(port: int) -> bool:
    """Return true if another process listens on a port.

    Raises:
        OSError: The port cannot be bound for another reason, such as a number below 1024.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def port_holder(port: int) -> tuple[int, str] | None:
    """Return PID and command line of the process that listens on a port, if they are visible."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows them to root only
        return None
    for connection in connections:
        address = connection.laddr
        listens = connection.status == psutil.CONN_LISTEN and address and address.port == port
        if listens and connection.pid:
            try:
                return connection.pid, " ".join(psutil.Process(connection.pid).cmdline())
            except psutil.Error:
                return connection.pid, "unknown program"
    return None


def listens(pid: int, port: int) -> bool:
    """Return true if a process or one of its descendants listens on a port."""
    try:
        process = psutil.Process(pid)
        processes = [process, *process.children(recursive=True)]
        sockets = [
            each for each_process in processes for each in each_process.net_connections(kind="tcp")
        ]
    except psutil.NoSuchProcess:  # one of them ended meanwhile; the next poll will tell
        return False
    return any(
        each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port
        for each in sockets
    )
