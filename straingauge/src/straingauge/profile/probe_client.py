"""Snapshots of the probe in a service, over its Unix socket; see `straingauge.inside.probe`."""

import socket
from pathlib import Path
from typing import Final

from straingauge.profile.stacks import Snapshot, read_probe

TIMEOUT_S: Final = 2.0  # it waits for the interpreter's lock
MAX_BYTES: Final = 8 * 1024 * 1024


def take_snapshot(folder: Path, pid: int) -> Snapshot | None:
    """Return the stacks of a process at this instant; None if its probe does not answer."""
    content = read_socket(folder / f"{pid}.sock", TIMEOUT_S)
    try:
        return None if content is None else read_probe(pid, content)
    except ValueError:
        return None


def read_socket(path: Path, timeout_s: float) -> bytes | None:
    """Return everything that a socket of the probe sends; None if there is no complete answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            content = bytearray()
            while chunk := connection.recv(65_536):
                content += chunk
                if len(content) > MAX_BYTES:
                    return None
    except OSError:
        return None
    return bytes(content)
