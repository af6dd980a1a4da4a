"""Extensions that a service asks for, and that the PostgreSQL of the Python package lacks.

That package has most of PostgreSQL's contrib modules, but not those that need other libraries, such
as `uuid-ossp` and `pgcrypto`.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from straingauge.errors import TargetError
from straingauge.target.binaries import VARIABLE, installed_folders
from straingauge.target.postgres import Postgres

_UNAVAILABLE = re.compile(r'extension "([^"\n]+)" is not available')
_MOST_LOG_BYTES = 100_000
BUILT_IN = "gen_random_uuid() needs no extension since PostgreSQL 13"


class MissingExtensionError(TargetError):
    """The service did not start, and the temporary PostgreSQL lacks an extension.

    Attributes:
        extension: Name of the extension.
    """

    def __init__(self, cause: TargetError, extension: str) -> None:
        super().__init__(
            f"the temporary PostgreSQL lacks the extension {extension}: {cause}",
            "install PostgreSQL with its contrib modules (Debian: apt-get install"
            f" postgresql-contrib) and set {VARIABLE} to its bin folder, or set DATABASE_URL to a"
            f" server that has the extension; {BUILT_IN}",
        )
        self.extension = extension


def missing_extension(log: Path) -> str | None:
    """Return the extension that was asked for last and is not available, by a server's log."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _MOST_LOG_BYTES, 0))
        found = _UNAVAILABLE.findall(file.read().decode(errors="replace"))
    return found[-1] if found else None


@contextmanager
def naming_missing_extension(server: Postgres) -> Iterator[None]:
    """Name the extension that a server lacks, if that is why the service did not start.

    Raises:
        MissingExtensionError: It is, instead of the TargetError.
    """
    try:
        yield
    except TargetError as error:
        if extension := missing_extension(server.log_path):
            raise MissingExtensionError(error, extension) from error
        raise


def folder_with(extension: str, folders: Iterable[Path] | None = None) -> Path | None:
    """Return the programs of an installed PostgreSQL that has an extension.

    Args:
        extension: Name of the extension.
        folders: Folders with programs to search; by default those that are installed.
    """
    for folder in installed_folders() if folders is None else folders:
        shared = (
            folder.parent / "share" / "extension",
            folder.parent / "share" / "postgresql" / "extension",
            Path("/usr/share/postgresql") / folder.parent.name / "extension",  # Debian's
        )
        if any((each / f"{extension}.control").is_file() for each in shared):
            return folder
    return None
