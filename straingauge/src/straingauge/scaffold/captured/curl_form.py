"""Multipart forms and files that a curl command sends."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.scaffold.captured.form_part import FormPart

MOST_BYTES: Final = 1 << 20
"""The longest data of a file that are written into a suite; longer ones are read from it."""

# From lib/mime.c of curl: what it sends without a type.
_TYPES: Final = {
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".htm": "text/html",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".xml": "application/xml",
}
_QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'
_FILE: Final = re.compile(rf"(?:{_QUOTED}|([^,;]*))(?:;([^,]*))?(?:,|\Z)", re.DOTALL)
_NAMES: Final = "(?:type|filename|headers|encoder)"
_PARAMETER: Final = re.compile(
    rf"\s*({_NAMES})=(?:{_QUOTED}|(.*?))\s*(?=;\s*{_NAMES}=|\Z);?", re.DOTALL
)
_TYPED: Final = re.compile(r"(.*?);\s*(type=[\w.+-]+/.*)", re.DOTALL)


def file_of(name: str, option: str) -> Path:
    """Return the path of a file that a command names.

    Raises:
        UsageError: It is standard input, or there is no such file.
    """
    if name in ("-", "."):
        raise UsageError(f"curl: --{option} reads standard input", hint="name a file instead")
    try:
        path = Path(name).expanduser().resolve()
        is_file = path.is_file()
    except (OSError, RuntimeError, ValueError):
        is_file = False
    if not is_file:
        raise UsageError(
            f"curl: --{option}: there is no file {name[:200]!r}",
            hint="run straingauge in the folder of the file",
        )
    return path


def content_of(name: str, option: str) -> bytes | Path:
    """Return the content of a file that a command names, or its path if it is long.

    Raises:
        UsageError: It is standard input, or cannot be read.
    """
    path = file_of(name, option)
    try:
        return path if path.stat().st_size > MOST_BYTES else path.read_bytes()
    except OSError as error:
        raise UsageError(f"curl: --{option}: {path}: {error.strerror}") from error


def bytes_of(name: str, option: str) -> bytes:
    """Return the content of a file that a command names.

    Raises:
        UsageError: As `content_of`, or it is too long for a place within the suite.
    """
    content = content_of(name, option)
    if isinstance(content, Path):
        raise UsageError(f"curl: --{option}: {content} has more than {MOST_BYTES} bytes")
    return content


def parts_of(value: str, option: str) -> Iterator[FormPart]:
    """Yield the parts of a form from a value of the options form and form-string.

    Raises:
        UsageError: It has no name, or its file cannot be read.
    """
    name, equals, given = value.partition("=")
    if not equals or not name:
        raise UsageError(f"curl: --{option} {value[:40]!r} is not NAME=VALUE")
    if option == "form" and given.startswith("@"):
        yield from _files(name, given[1:], option)
        return
    if option == "form" and given.startswith("<"):
        path, kind, _ = _parameters(given[1:])
        yield FormPart(name, bytes_of(path, option).decode("utf-8", "replace"), None, kind)
        return
    kind = ""
    if option == "form":
        if found := re.fullmatch(_QUOTED + r"(;.*)?", given, re.DOTALL):
            kind = _parameters(found[2] or "")[1]
            given = _unquoted(found[1])
        elif found := _TYPED.fullmatch(given):
            given, kind = found[1], _parameters(f";{found[2]}")[1]
    yield FormPart(name, given, None, kind)


def _files(name: str, given: str, option: str) -> Iterator[FormPart]:
    for found in _FILE.finditer(given):
        if not found[0]:
            continue
        path = file_of(_unquoted(found[1]) if found[1] is not None else found[2], option)
        _, kind, filename = _parameters(f";{found[3] or ''}")
        suffix = Path(filename or path).suffix.lower()
        kind = kind or _TYPES.get(suffix, "application/octet-stream")
        yield FormPart(name, path, filename or path.name, kind)


def _parameters(text: str) -> tuple[str, str, str]:
    """Return what stands before the parameters, and their type and filename."""
    value, _, rest = text.partition(";")
    found = {
        each[1]: _unquoted(each[2]) if each[2] is not None else each[3]
        for each in _PARAMETER.finditer(rest)
    }
    return value, found.get("type", ""), found.get("filename", "")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
