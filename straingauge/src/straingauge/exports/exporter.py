"""Exporters, and the one for a name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from straingauge.errors import UsageError
from straingauge.exports.csv_file import CsvFile
from straingauge.exports.json_lines import JsonLines
from straingauge.exports.second import Second
from straingauge.result.format.write import require_writable


class Exporter(Protocol):
    """Receives the seconds of loads, in one thread, and is closed at the end."""

    def add(self, second: Second) -> None:
        """Export a second; any exception ends this export, and never the run."""

    def close(self) -> None:
        """Export what is left; likewise."""


FILES: Final[Mapping[str, type[JsonLines] | type[CsvFile]]] = {".jsonl": JsonLines, ".csv": CsvFile}


def exporters_for(names: Sequence[str], *, option: str = "--export") -> dict[str, Exporter]:
    """Return the exporters of these names; no file is opened yet.

    Args:
        names: Names of files; the suffix decides on the format.
        option: The option with the names, for errors.

    Raises:
        UsageError: There is no such format, or a file is named twice or cannot be written.
    """
    found: dict[str, Exporter] = {}
    paths: set[Path] = set()
    for name in names:
        path = Path(name)
        if (format_ := FILES.get(path.suffix.lower())) is None:
            raise UsageError(
                f"{option} {name}: the name must end in {' or '.join(FILES)}",
                hint=f"{option} seconds.jsonl",
            )
        if path.resolve() in paths:
            raise UsageError(f"{option} {name}: this file is named twice")
        if path.is_dir():
            raise UsageError(f"{option} {name}: this is a folder", hint=f"{option} seconds.jsonl")
        if not path.parent.is_dir():
            raise UsageError(
                f"{option} {name}: there is no folder {path.parent}", hint=f"mkdir {path.parent}"
            )
        require_writable(path.parent, option=f"{option} FILE")
        paths.add(path.resolve())
        found[name] = format_(path)
    return found
