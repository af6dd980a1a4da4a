"""Files that a suite of captured requests sends."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from straingauge.scaffold.captured.capture import CapturedRequest
from straingauge.scaffold.captured.form_part import UPLOADS, FormPart

MOST_SHOWN: Final = 1_000
"""Bytes that source shows; more are in a file beside it."""


class Uploads:
    """The files of a suite.

    Attributes:
        files: Contents that were captured, by their paths within the suite.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._used: dict[Path, None] = {}

    def moved(self, request: CapturedRequest) -> CapturedRequest:
        """Return a request whose large contents are paths of files."""
        if request.body is None:
            return request
        option, value = request.body
        if option == "upload":
            value = [replace(part, content=self._placed(part)) for part in value]
        elif option == "content":
            value = self._file(value, "body")
        return replace(request, body=(option, value))

    def notes(self, folder: Path) -> Iterator[str]:
        """Yield which files a user must know of: those to put there, and those of other folders."""
        for path in self._used:
            if path.is_absolute():
                yield f"{path} is read at each request"
            elif str(path) not in self.files:
                yield f"the content of a file was not captured: save it as {folder / path}"

    def _placed(self, part: FormPart) -> str | bytes | Path:
        return self._file(part.content, part.filename or "part")

    def _file(self, content: str | bytes | Path, name: str) -> str | bytes | Path:
        if isinstance(content, bytes) and len(content) > MOST_SHOWN:
            suffix = Path(name).suffix if Path(name).suffix.isascii() else ""
            path = Path(UPLOADS, f"captured_{len(self.files) + 1}{suffix[:10]}")
            self.files[str(path)] = content
            return path
        if isinstance(content, Path):
            self._used[content] = None
        return content
