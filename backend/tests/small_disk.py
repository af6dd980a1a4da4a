"""A small file system in memory, to fill a disk without filling that of the machine."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CannotMount(Exception):
    """This machine does not let the tests mount a file system; the message says why."""


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a tmpfs of this size on a new folder.

    Raises:
        CannotMount: Only root may mount, in a container only with CAP_SYS_ADMIN.
    """
    folder.mkdir()
    options = f"size={size_bytes},mode=0700,uid={os.getuid()}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CannotMount("the command mount is missing") from error
    if done.returncode:
        raise CannotMount(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the file system of a folder to the last byte; return the file that does."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size_bytes in (65536, 4096, 1):
            try:
                while file.write(bytes(size_bytes)):
                    pass
            except OSError:
                continue
    return path
