"""Snapshots of the probe in a service, over its Unix socket; see `straingauge.inside.probe`."""

import socket
from pathlib import Path
from typing import Final

from straingauge.profile.stacks import Snapshot, read_probe

TIMEOUT_S: Final = 2.0  # it waits for the interpreter's lock
MAX_BYTES: Final = 8 * 1024 * 1024


def take_snapshot(folder: Path, pid: int) -> Snapshot | None:
    """Return the stacks of a process at this instant; None if its probe does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(folder / f"{pid}.sock"))
            content = bytearray()
            while chunk := connection.recv(65_536):
                content += chunk
                if len(content) > MAX_BYTES:
                    return None
        return read_probe(pid, bytes(content))
    except (OSError, ValueError):
        return None
