"""Reads a multipart/form-data body as it arrives: a stream of pieces, never the whole."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:  # it exists for type checkers only
    from python_multipart.multipart import MultipartCallbacks

MAX_PART_HEADERS = 16


class MalformedForm(Exception):
    """The body is no multipart/form-data; the message says why."""


@dataclass(slots=True)
class Part:
    """One part of the form.

    Attributes:
        name: The field's name.
        filename: The file's name as the client gave it, None for a plain field.
    """

    name: str
    filename: str | None


@dataclass(slots=True)
class Piece:
    """Some bytes of a part. The last piece of each part has `last` set, and may be empty."""

    part: Part
    data: bytes
    last: bool = False


@dataclass(slots=True)
class _Collector:
    """Turns the parser's callbacks into pieces."""

    pieces: list[Piece] = field(default_factory=list)
    finished: bool = False
    _part: Part = field(default_factory=lambda: Part("", None))
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""

    def part_begin(self) -> None:
        self._disposition = b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if kind != b"form-data" or name is None:
            raise MalformedForm("a part of the form has no name")
        filename = options.get(b"filename")
        self._part = Part(
            name.decode("utf-8", "replace"),
            None if filename is None else filename.decode("utf-8", "replace"),
        )

    def part_data(self, data: bytes, start: int, end: int) -> None:
        self.pieces.append(Piece(self._part, data[start:end]))

    def part_end(self) -> None:
        self.pieces.append(Piece(self._part, b"", last=True))

    def end(self) -> None:
        self.finished = True

    def take(self) -> list[Piece]:
        taken, self.pieces = self.pieces, []
        return taken


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise MalformedForm("the body must be multipart/form-data with a boundary")
    return boundary


async def read_form(content_type: str, body: AsyncIterator[bytes]) -> AsyncIterator[Piece]:
    """Yield the form's pieces in order, holding no more than one chunk of the body.

    Args:
        content_type: The request's Content-Type header.
        body: The chunks of the body.

    Raises:
        MalformedForm: The body is not what Content-Type says, or ends before its end.
    """
    collector = _Collector()
    callbacks: MultipartCallbacks = {
        "on_part_begin": collector.part_begin,
        "on_header_field": collector.header_field,
        "on_header_value": collector.header_value,
        "on_header_end": collector.header_end,
        "on_headers_finished": collector.headers_finished,
        "on_part_data": collector.part_data,
        "on_part_end": collector.part_end,
        "on_end": collector.end,
    }
    try:
        parser = MultipartParser(
            _boundary(content_type), callbacks, max_header_count=MAX_PART_HEADERS
        )
        async for chunk in body:
            parser.write(chunk)
            for piece in collector.take():
                yield piece
    except MultipartParseError as error:
        raise MalformedForm(f"the form cannot be read: {error}") from error
    if not collector.finished:
        raise MalformedForm("the form ends before its closing boundary")
