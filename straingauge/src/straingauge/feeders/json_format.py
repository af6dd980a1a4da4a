"""JSON lines, and JSON: an array of objects."""

import json
import tempfile
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import IO, Any, Final

import orjson

from straingauge.feeders.records import DataError, Lines

_BLOCK: Final = 1 << 20  # characters read at once
_LONGEST_TOKEN: Final = 16  # a word or an escape that the end of a block can cut
_MOST_DIGITS: Final = 20  # of an integer of 64 bits, or 19 and a sign
_WHITE: Final = " \t\r\n"
_KEYS: Final = "write null where there is no value"


class JsonLinesFormat:
    """One JSON object in each line; all have the same keys, as a table has columns."""

    def __init__(self) -> None:
        self.delimiter: str | None = None
        self._keys: dict[str, int] = {}

    def scan(self, source: Lines) -> Iterator[int]:
        """Check all records; see `RecordFormat`."""
        begin = source.offset
        for line in source:
            if line.strip():
                self._check(source, line)
                yield begin
            begin = source.offset

    def parse(self, text: str) -> dict[str, Any]:
        """Return a record; see `RecordFormat`."""
        row: dict[str, Any] = orjson.loads(text.strip().removeprefix("\ufeff"))
        return row

    def _check(self, source: Lines, line: str) -> None:
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs, parse_int=_integer)
            orjson.loads(line)  # reads the row when it is used, and takes less, such as no NaN
        except _LargeNumber as error:
            number = f"{str(error)[:30]} is a number of more than 64 bits"
            raise DataError(source.path, source.number, number, "write it in quotes") from error
        except (ValueError, RecursionError) as error:
            raise DataError(source.path, source.number, f"not JSON: {error}") from error
        problem = self._problem(pairs)
        if problem is not None:
            raise DataError(source.path, source.number, problem, _KEYS)

    def _problem(self, pairs: object) -> str | None:
        if not isinstance(pairs, _Pairs):
            return "not a JSON object"
        keys = dict.fromkeys((key for key, _ in pairs), 0)
        if len(keys) < len(pairs):
            names = [key for key, _ in pairs]
            return f"the key {next(key for key in names if names.count(key) > 1)!r} is there twice"
        self._keys = self._keys or keys
        if keys.keys() == self._keys.keys():
            return None
        if missing := sorted(self._keys.keys() - keys.keys()):
            return f"the key {missing[0]!r} of the first row is missing"
        return f"the first row has no key {min(keys.keys() - self._keys.keys())!r}"


class _LargeNumber(ValueError):
    """An integer that `orjson` would round."""


def _integer(text: str) -> int:
    """Return an integer of JSON.

    Raises:
        _LargeNumber: It has more than 64 bits.
    """
    if len(text) > _MOST_DIGITS or not -(2**63) <= (found := int(text)) < 2**64:
        raise _LargeNumber(text)
    return found


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of an object, which may repeat keys."""


def array_as_lines(path: Path, stream: IO[bytes]) -> IO[bytes]:
    """Write the objects of a JSON array into a temporary file, one in a line, in little memory.

    Raises:
        DataError: It is no array.
    """
    target = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the feeder
    try:
        for element in _elements(path, stream):
            # a line break inside a text is escaped, so each one here is white space
            line = element.replace("\r", " ").replace("\n", " ")
            target.write(line.encode() + b"\n")
    except BaseException:
        target.close()
        raise
    return target


def _elements(path: Path, stream: IO[bytes]) -> Iterator[str]:
    """Yield the text of each element of the array."""
    reader = _Reader(path, stream)
    opening = reader.next_character()
    if not opening:
        return
    if opening != "[":
        raise reader.error("the file is not a JSON array of objects: [{...}, {...}]")
    if reader.peek() == "]":
        return
    while True:
        yield reader.element()
        separator = reader.next_character()
        if separator == "]":
            break
        if separator != ",":
            raise reader.error("not JSON: expected , or ] after an element")
    if reader.peek():
        raise reader.error("not JSON: more text after the array")


class _Reader:
    """Reads a JSON text in blocks."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path = path
        self._stream = stream
        self._text = ""
        self._at = 0
        self._line = 1
        self._lines = self._decoded()
        self._decoder = json.JSONDecoder()

    def _decoded(self) -> Iterator[str]:
        lines = Lines(self._path, self._stream)
        block, size = [], 0
        for line in lines:
            block.append(line)
            size += len(line)
            if size >= _BLOCK:
                yield "".join(block)
                block, size = [], 0
        if block:
            yield "".join(block)

    def _more(self) -> bool:
        """Read on; return False at the end."""
        block = next(self._lines, None)
        if block is None:
            return False
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :] + block, 0
        return True

    def peek(self) -> str:
        """Return the next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _WHITE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def next_character(self) -> str:
        """Read the next character that is no white space; "" at the end."""
        found = self.peek()
        self._at += len(found)
        return found

    def element(self) -> str:
        """Read a value, and return its text."""
        self.peek()
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._at)
            except JSONDecodeError as error:
                if not (self._may_be_cut(error) and self._more()):
                    raise self.error(f"not JSON: {error.msg}") from error
            except (ValueError, RecursionError) as error:  # an endless number, or too deep
                raise self.error(f"not JSON: {error}") from error
            else:
                element, self._at = self._text[self._at : end], end
                return element

    def _may_be_cut(self, error: JSONDecodeError) -> bool:
        """Return whether more of the file may repair an error: one at the end of what was read.

        Else a mistake in the first line of a large file would be looked for again with each block.
        """
        is_at_end = error.pos >= len(self._text) - _LONGEST_TOKEN
        return is_at_end or error.msg.startswith("Unterminated string")

    def error(self, problem: str) -> DataError:
        """Return an error with the current line."""
        line = self._line + self._text.count("\n", 0, self._at)
        return DataError(self._path, line, problem)
