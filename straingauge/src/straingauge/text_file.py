"""Text files that people wrote or saved: UTF-8, with or without a byte order mark."""

import codecs
import tomllib
from pathlib import Path
from typing import Any, Final

from straingauge.errors import UsageError

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, *, hint: str | None = None) -> str:
    """Read a text file; a byte order mark at its beginning is ignored.

    Args:
        path: The file.
        hint: Advice if the file cannot be read.

    Raises:
        UsageError: The file cannot be read, or is not UTF-8; the message names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", hint) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = "UTF-16" if content.startswith(_UTF_16) else f"byte {content[error.start]:#04x}"
        raise UsageError(
            f"{path}, line {line}: not UTF-8: {found}", hint="save the file with the encoding UTF-8"
        ) from error


def read_toml(path: Path, *, hint: str | None = None) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        UsageError: As `read_text`, or it is not TOML; the message names line and column.
    """
    return parse_toml(read_text(path, hint=hint), path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """Parse the text of a TOML file; raise UsageError, with line and column, if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}", "correct that line") from error
    except RecursionError as error:
        raise UsageError(f"{path}: not valid TOML: it is nested too deeply") from error
    except ValueError as error:  # an integer with more digits than Python reads
        raise UsageError(f"{path}: not valid TOML: {error}") from error
