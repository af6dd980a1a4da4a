"""A Redis server for tests."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from straingauge.target.ports import free_port
from straingauge.target.reaper import wait_until

_SERVER: Final = shutil.which("redis-server")


@contextmanager
def redis_server() -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Start Redis without persistence; yield its process and its port. Skip the test without it."""
    if _SERVER is None:
        pytest.skip("needs redis-server: apt-get install redis-server")
    port = free_port()
    command = [_SERVER, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize"]
    with subprocess.Popen([*command, "no"], stdout=subprocess.DEVNULL) as server:
        assert wait_until(lambda: _answers(port), 30)
        try:
            yield server, port
        finally:
            server.kill()


def _answers(port: int) -> bool:
    """Return true if a server answers PING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            client.sendall(b"PING\r\n")
            return client.recv(16) == b"+PONG\r\n"
    except OSError:
        return False
