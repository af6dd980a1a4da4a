"""The language of a service's process, and its HTTP server."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, Literal

import psutil

Language = Literal["python", "javascript", "jvm", "go", "ruby", "php", "dotnet"]

_PROGRAMS: Final[Mapping[str, Language]] = {
    "python": "python",
    "pypy": "python",
    "uvicorn": "python",
    "gunicorn": "python",
    "hypercorn": "python",
    "granian": "python",
    "node": "javascript",
    "bun": "javascript",
    "deno": "javascript",
    "java": "jvm",
    "ruby": "ruby",
    "puma": "ruby",
    "unicorn": "ruby",
    "php": "php",
    "dotnet": "dotnet",
}
# Servers that close the connection after each response, by design: those of the standard library
# of Python, Werkzeug's, Gunicorn's sync workers (its others keep connections), Unicorn, uWSGI.
CLOSING_SERVERS: Final = {
    "simplehttp",
    "basehttp",
    "wsgiserver",
    "werkzeug",
    "gunicorn",
    "unicorn",
    "uwsgi",
    "webrick",
}
# Servers that serve all requests in one event loop; aiohttp's header begins with "Python/".
LOOP_SERVERS: Final = {"uvicorn", "hypercorn", "daphne", "tornadoserver", "python"}
_GO_BUILD_ID: Final = b"\x04\x00\x00\x00Go\x00\x00"  # type and owner of an ELF note
_NOTES_BYTES: Final = 4096  # the linker of Go writes it into the first page


@dataclass(frozen=True, slots=True)
class Runtime:
    """A service's runtime.

    Attributes:
        language: Of its topmost process; None if it is not known.
        server: Product of its `Server` header in lower case, without version; None without one.
    """

    language: Language | None = None
    server: str | None = None


def language_of(process: psutil.Process) -> Language | None:
    """Return the language of a process; None if it is not known or may not be looked at."""
    with suppress(psutil.Error, OSError):
        found = language_of_command(process.name(), process.cmdline())
        return found or ("go" if is_go(Path(process.exe())) else None)
    return None


def language_of_command(program: str, command: Sequence[str]) -> Language | None:
    """Return the language of a program by its name, or by that of its interpreter."""
    for name in (program, *(PurePath(word).name for word in command[:1])):
        for prefix, language in _PROGRAMS.items():
            if name.startswith(prefix):
                return language
    return None


def is_go(executable: Path) -> bool:
    """Return true if an executable was linked by Go."""
    with executable.open("rb") as file:
        return _GO_BUILD_ID in file.read(_NOTES_BYTES)


def product(header: str | None) -> str | None:
    """Return the first product of a `Server` header (RFC 9110, section 10.2.4)."""
    words = (header or "").replace("/", " ").split()
    return words[0].lower() if words else None
