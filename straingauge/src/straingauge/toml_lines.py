"""The lines of a TOML text at which its tables and keys begin, for error messages."""

import re
import tomllib
from typing import Any, Final

_HEADER: Final = re.compile(r"\s*\[{1,2}[^\[\]=]+\]{1,2}\s*(?:#.*)?$")
_KEY: Final = re.compile(
    r"""\s*((?:[\w-]+|"[^"\n]*"|'[^'\n]*')(?:\s*\.\s*(?:[\w-]+|"[^"\n]*"))*)\s*="""
)

Path = tuple[str, ...]


class TomlLines:
    """The lines of the tables and keys of a text.

    Args:
        text: A text that is valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        table: Path = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if _HEADER.match(line):
                table = _path(line)
                found = table
            elif key := _KEY.match(line):
                keys = _path(f"{key[1]} = 0")
                found = (*table, *keys)
                self._lines.setdefault((*table, ".".join(keys)), number)
            else:
                continue
            for length in range(1, len(found) + 1):
                self._lines.setdefault(found[:length], number)

    def line(self, *path: str) -> int | None:
        """Return the line, from 1, of the deepest part of a path that is found; None of none."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                return line
        return None


def _path(line: str) -> Path:
    """Return the keys of a table's header or of a key; empty if the line is part of a string."""
    try:
        found: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    keys: list[str] = []
    while found and isinstance(found, dict | list):
        if isinstance(found, list):
            found = found[0]
            continue
        key = next(iter(found))
        keys.append(key)
        found = found[key]
    return tuple(keys)
