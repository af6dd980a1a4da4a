"""A file that several processes want to create, and exactly one of them does."""

import fcntl
import os
import tempfile
from pathlib import Path


def create_first(path: Path, text: str) -> None:
    """Create a file of mode 600 with this text, unless another process was first.

    No process ever sees an incomplete file: a temporary one is written, synced (after a power
    failure an unsynced file can be empty) and linked to the final name, which succeeds once.

    Raises:
        OSError: The folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        _name_once(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _name_once(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    except OSError:  # some file systems have no hard links: vfat, exFAT, SMB
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if not path.exists():
                temporary.replace(path)
        finally:
            os.close(folder)
