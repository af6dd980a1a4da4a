"""Multipart uploads in constant memory (RFC 7578), whatever the files' sizes."""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from straingauge.http.query import Pairs, expand

CHUNK_BYTES = 256 * 1024
_CONTENT_TYPE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file to upload: from disk, or from bytes.

    Attributes:
        content: The file, or its bytes.
        filename: The name that is sent; by default that of the file. With an empty one, the part is
            a field with a content type, such as JSON.
        content_type: Its media type.
    """

    content: Path | bytes
    filename: str | None = None
    content_type: str = "application/octet-stream"

    @property
    def sent_name(self) -> str:
        """The file name that is sent."""
        if self.filename is not None:
            return self.filename
        return self.content.name if isinstance(self.content, Path) else "file"


Files: TypeAlias = (
    Mapping[str, FilePart | Sequence[FilePart]]
    | Iterable[tuple[str, FilePart | Sequence[FilePart]]]
)
"""Files by field; a list of them, or several pairs, are sent as parts of one name."""


class Upload:
    """A `multipart/form-data` body: form fields first, then files.

    A list of values or files, or several pairs of one name, are sent as parts of the same name.

    It can be sent any number of times: each `chunks()` reads the files again.

    Attributes:
        content_type: value of the Content-Type header.
        length: length of the whole body, in bytes.

    Raises:
        OSError: a file cannot be read.
        ValueError: a field has a nested value, or a content type cannot be sent.
    """

    __slots__ = ("_end", "_parts", "content_type", "length")

    def __init__(self, fields: Pairs, files: Files) -> None:
        boundary = secrets.token_hex(16)
        self._parts: list[tuple[bytes, Path | bytes, int]] = []
        for name, value in expand(fields):
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_escape(name)}"\r\n\r\n'
            self._add(head, value.encode() if isinstance(value, str) else value)
        for name, part in _each(files):
            if not _CONTENT_TYPE.fullmatch(part.content_type):
                raise ValueError(f"no content type: {part.content_type!r}")
            filename = f'; filename="{_escape(part.sent_name)}"' if part.sent_name else ""
            head = (
                f"--{boundary}\r\n"
                f'Content-Disposition: form-data; name="{_escape(name)}"{filename}\r\n'
                f"Content-Type: {part.content_type}\r\n\r\n"
            )
            self._add(head, part.content)
        self._end = f"--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.length = len(self._end) + sum(
            len(head) + size + len(b"\r\n") for head, _, size in self._parts
        )

    def _add(self, head: str, content: Path | bytes) -> None:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        self._parts.append((head.encode(), content, size))

    def chunks(self, before: bytes = b"") -> Iterator[bytes]:
        """Yield the body, preceded by `before`, in large pieces.

        Each piece except the last has `CHUNK_BYTES` bytes or more, and less than twice as many; a
        form field is never cut.

        Raises:
            OSError: a file cannot be read, or has become shorter.
        """
        pending: list[bytes | memoryview] = [before]
        pending_bytes = len(before)
        for piece in self._pieces():
            pending.append(piece)
            pending_bytes += len(piece)
            if pending_bytes >= CHUNK_BYTES:
                yield b"".join(pending)
                pending.clear()
                pending_bytes = 0
        if pending:
            yield b"".join(pending)

    def _pieces(self) -> Iterator[bytes | memoryview]:
        for head, content, size in self._parts:
            yield head
            if isinstance(content, Path):
                yield from _read(content, size)
            else:
                view = memoryview(content)
                for start in range(0, size, CHUNK_BYTES):
                    yield view[start : start + CHUNK_BYTES]
            yield b"\r\n"
        yield self._end


def _each(files: Files) -> Iterator[tuple[str, FilePart]]:
    for name, given in files.items() if isinstance(files, Mapping) else files:
        for part in (given,) if isinstance(given, FilePart) else given:
            yield name, part


def _read(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with path.open("rb", buffering=0) as file:
        while left and (piece := file.read(min(CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece
    if left:
        raise OSError(f"{path} became {left} bytes shorter while it was uploaded")


def _escape(name: str) -> str:
    """Escape a name in quotes as browsers do (HTML, multipart/form-data encoding)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
