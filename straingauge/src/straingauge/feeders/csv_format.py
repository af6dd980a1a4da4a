"""CSV files (RFC 4180): the first line names the columns."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Final

from straingauge.feeders.records import DataError, Lines
from straingauge.number_text import count

DELIMITERS: Final = (",", ";", "\t")
_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab"}


class CsvFormat:
    """CSV; the delimiter is a comma, a semicolon or a tab, by the first line unless given.

    Attributes:
        delimiter: The delimiter; "," until the first line is read.
        columns: Names of the columns.
    """

    def __init__(self, delimiter: str | None = None) -> None:
        self._given = delimiter
        self.delimiter: str | None = delimiter or ","
        self.columns: list[str] = []

    def scan(self, source: Lines) -> Iterator[int]:
        """Check all records; see `RecordFormat`."""
        rows = self._rows(source)
        begin = source.offset
        try:
            for row in rows:
                if len(row) == len(self.columns):
                    yield begin
                elif row:  # else an empty line
                    raise self._ragged(source, row)
                begin = source.offset
        except csv.Error as error:
            raise _invalid(source, error) from error

    def parse(self, text: str) -> dict[str, str]:
        """Return a record; see `RecordFormat`."""
        assert self.delimiter is not None
        lines = io.StringIO(text, newline="")
        try:
            row = next(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except (csv.Error, StopIteration) as error:
            raise ValueError(str(error)) from error
        return dict(zip(self.columns, row, strict=True))

    def _rows(self, source: Lines) -> Iterator[list[str]]:
        """Read the header, and return the rows below it."""
        first = next(source, "")
        if self._given is None:
            self.delimiter = _delimiter(source, first)
        assert self.delimiter is not None
        rows = csv.reader(_again(first, source), delimiter=self.delimiter, strict=True)
        try:
            self.columns = [name.strip() for name in next(rows, [])]
        except csv.Error as error:
            raise _invalid(source, error) from error
        if first and not any(self.columns):
            raise DataError(source.path, 1, "it names no columns", "name,email in the first line")
        if "" in self.columns:
            number = self.columns.index("") + 1
            raise DataError(source.path, 1, f"column {number} has no name", "name each column")
        repeated = [name for name, count in Counter(self.columns).items() if count > 1]
        if repeated:
            raise DataError(
                source.path, 1, f"two columns are named {repeated[0]!r}", "rename one of them"
            )
        return rows

    def _ragged(self, source: Lines, row: list[str]) -> DataError:
        assert self.delimiter is not None
        values = count(len(row), "value")
        return DataError(
            source.path,
            source.number,
            f"{values}, but line 1 names {len(self.columns)} columns"
            f" (delimiter: {_NAMES.get(self.delimiter, self.delimiter)})",
            'put a value that contains the delimiter in double quotes, or name it: delimiter=";"',
        )


def _invalid(source: Lines, error: csv.Error) -> DataError:
    """Return the error of a line that is no CSV, in words that say what to do."""
    text = str(error)
    if "new-line character" in text:
        problem, hint = "a line ends in CR alone", "end lines in LF, or in CR and LF"
    elif "field limit" in text or "end of data" in text:
        problem, hint = "a quote is not closed", 'write a quote in a value twice: ""'
        if "field limit" in text:
            problem = f"a value has more than {csv.field_size_limit()} characters, or {problem}"
    else:
        problem, hint = text, 'write a quote in a value twice: ""'
    return DataError(source.path, source.number, problem, hint)


def _delimiter(source: Lines, header: str) -> str:
    """Return the delimiter that gives the header the most columns; a comma if it has only one."""
    counts = {each: _columns(header, each) for each in DELIMITERS}
    most = max(counts.values())
    best = [each for each in DELIMITERS if counts[each] == most]
    if most > 1 and len(best) > 1:
        names = " or ".join(_NAMES[each] for each in best)
        raise DataError(source.path, 1, f"the delimiter may be {names}", 'name it: delimiter=";"')
    return best[0]


def _columns(header: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([header], delimiter=delimiter), []))
    except csv.Error:
        return 0


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest
