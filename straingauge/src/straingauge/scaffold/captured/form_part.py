"""Parts of a multipart form (RFC 7578), as they were captured."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from typing import Final

UPLOADS: Final = "uploads"
"""Folder within a suite for the files that it sends."""

_ESCAPED: Final = {"%22": '"', "%0D": "\r", "%0A": "\n"}  # as browsers write a name in quotes
_ESCAPE: Final = re.compile("|".join(_ESCAPED), re.IGNORECASE)
_LOST: Final = "\ufffd".encode()  # in place of bytes that were no text


@dataclass(frozen=True, slots=True)
class FormPart:
    """A field or a file of a multipart form.

    Attributes:
        name: Name of the field.
        content: Its text, its bytes, or a file; a relative path is one within the suite.
        filename: Name of the file; None for a field.
        content_type: Its media type; empty for a field of text.
    """

    name: str
    content: str | bytes | Path
    filename: str | None = None
    content_type: str = ""

    @property
    def is_field(self) -> bool:
        """It is a plain field of text."""
        return isinstance(self.content, str) and self.filename is None and not self.content_type


def parse_parts(body: bytes, content_type: str) -> list[FormPart] | None:
    """Return the parts of a multipart form; None if it is none.

    Args:
        body: The form; lines before its first part are skipped.
        content_type: Its Content-Type, with the boundary.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if not boundary or header.get_content_type() != "multipart/form-data":
        return None
    # Some tools write its line ends as one character.
    end = b"\r\n" if b"\r\n" in body else b"\n"
    pieces = (end + body).split(end + b"--" + boundary.encode())
    parts = [*_parts(pieces[1:], end)]
    return parts or None


def uploaded(filename: str) -> Path:
    """Return the place within a suite of a file whose content was not captured."""
    name = re.split(r"[/\\]", filename)[-1]
    return Path(UPLOADS, re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "file")


def without_lost(parts: Sequence[FormPart]) -> list[FormPart]:
    """Return the parts of a form that was captured as text, with a path for each lost file.

    Browsers leave out the content of files, or write it as text, which no binary file survives.
    """
    lost = {index for index, part in enumerate(parts) if _is_lost(part)}
    return [
        replace(part, content=uploaded(part.filename or "")) if index in lost else part
        for index, part in enumerate(parts)
    ]


def _is_lost(part: FormPart) -> bool:
    if not part.filename or not isinstance(part.content, bytes):
        return False
    is_text = part.content_type.startswith("text/") or "json" in part.content_type
    is_safe = part.content.isascii() or (is_text and _LOST not in part.content)
    return not part.content or not is_safe


def _parts(pieces: Sequence[bytes], end: bytes) -> Iterator[FormPart]:
    for piece in pieces:
        if piece.startswith(b"--"):
            return
        head, blank, content = piece.partition(end + end)
        headers = Message()
        for line in head.decode("utf-8", "replace").splitlines():
            key, colon, value = line.partition(":")
            if colon:
                headers[key.strip()] = value.strip()
        name = headers.get_param("name", header="content-disposition")
        if not blank or not isinstance(name, str):
            continue
        filename = headers.get_filename()
        kind = headers.get("Content-Type", "")
        is_field = filename is None and (not kind or kind.startswith("text/plain"))
        yield FormPart(
            _plain(name),
            content.decode("utf-8", "replace") if is_field else content,
            None if filename is None else _plain(filename),
            "" if is_field else kind or "application/octet-stream",
        )


def _plain(name: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED[found[0].upper()], name)
