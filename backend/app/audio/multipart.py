"""Streaming parser for multipart/form-data bodies."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:  # not defined at run time
    from python_multipart.multipart import MultipartCallbacks

from app.limits import (
    MAX_CONTENT_TYPE_BYTES,
    MAX_FORM_PADDING_BYTES,
    MAX_FORM_PARTS,
    MAX_PART_HEADERS,
)


class MalformedForm(Exception):
    """The body is not valid multipart/form-data."""


@dataclass(slots=True)
class Part:
    """One part of the form.

    Attributes:
        name: Field name.
        filename: File name sent by the client; None for a plain field.
    """

    name: str
    filename: str | None


@dataclass(slots=True)
class Chunk:
    """Some bytes of a part. The last chunk of a part has `last` set and may be empty."""

    part: Part
    data: bytearray
    last: bool = False


@dataclass(slots=True)
class _Collector:
    """Parser callbacks that collect chunks."""

    chunks: list[Chunk] = field(default_factory=list)
    finished: bool = False
    parts: int = 0
    _part: Part = field(default_factory=lambda: Part("", None))
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""

    def part_begin(self) -> None:
        self.parts += 1
        if self.parts > MAX_FORM_PARTS:
            raise MalformedForm(f"it has more than {MAX_FORM_PARTS} parts")
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
        disposition, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if disposition != b"form-data" or name is None:
            raise MalformedForm("a part of the form has no name")
        filename = options.get(b"filename")
        self._part = Part(
            name.decode("utf-8", "replace"),
            None if filename is None else filename.decode("utf-8", "replace"),
        )

    def part_data(self, data: bytes, start: int, end: int) -> None:
        # The parser calls this for each line that resembles a boundary.
        last = self.chunks[-1] if self.chunks else None
        if last is not None and last.part is self._part:
            last.data += data[start:end]
        else:
            self.chunks.append(Chunk(self._part, bytearray(data[start:end])))

    def part_end(self) -> None:
        self.chunks.append(Chunk(self._part, bytearray(), last=True))

    def end(self) -> None:
        self.finished = True

    def drain(self) -> list[Chunk]:
        chunks, self.chunks = self.chunks, []
        return chunks


def _boundary(content_type: str) -> bytes:
    if len(content_type) > MAX_CONTENT_TYPE_BYTES:
        raise MalformedForm("the Content-Type is too long")
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if media_type != b"multipart/form-data" or not boundary:
        raise MalformedForm("the body must be multipart/form-data with a boundary")
    return boundary


async def read_form(content_type: str, body: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    """Yield the parts of a form in order, chunk by chunk; memory stays at one chunk of the body.

    Args:
        content_type: Content-Type header of the request.
        body: Chunks of the request body.

    Raises:
        MalformedForm: The body is not a form, or ends before its closing boundary.
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
        padding_bytes = 0
        async for data in body:
            if collector.finished:
                padding_bytes += len(data)
            else:
                parser.write(data)
                if not collector.parts:
                    padding_bytes += len(data)
            if padding_bytes > MAX_FORM_PADDING_BYTES:
                raise MalformedForm("it has too much data outside of its parts")
            for chunk in collector.drain():
                yield chunk
    except MultipartParseError as error:
        raise MalformedForm(f"the form cannot be parsed: {error}") from error
    if not collector.finished:
        raise MalformedForm("the form ends before its closing boundary")
