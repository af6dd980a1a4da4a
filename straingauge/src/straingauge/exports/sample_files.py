"""Samples of single requests as JSON lines and as comma-separated values."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

import orjson

from straingauge.exports.second import Second

COLUMNS: Final = (
    *("run", "time", "start_s", "endpoint", "status", "error"),
    *("response_ms", "service_ms", "trace_id"),
)


def sample_rows(second: Second) -> Iterator[dict[str, Any]]:
    """Yield the samples of a second as objects with the keys `COLUMNS`.

    `time` is the Unix time, and `start_s` the seconds after the start of the load, at which the
    request was due.
    """
    begun_s = second.time - second.end_s
    for each in second.samples:
        yield {
            "run": second.run,
            "time": round(begun_s + each.intended_ns / 1e9, 6),
            "start_s": round(each.intended_ns / 1e9, 6),
            "endpoint": each.endpoint,
            "status": each.status,
            "error": each.error,
            "response_ms": round((each.done_ns - each.intended_ns) / 1e6, 3),
            "service_ms": round((each.done_ns - each.sent_ns) / 1e6, 3),
            "trace_id": each.trace_id,
        }


class SampleLines:
    """A file with one JSON object for each sample; a reader may follow it.

    Args:
        path: The file, which is replaced when the first second comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def add(self, second: Second) -> None:
        """Write the lines of a second."""
        if self._file is None:
            self._file = self._path.open("wb")
        self._file.writelines(orjson.dumps(row) + b"\n" for row in sample_rows(second))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class SampleTable:
    """A file with a row for each sample; the first line has the names.

    Args:
        path: The file, which is replaced when the first second comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def add(self, second: Second) -> None:
        """Write the rows of a second."""
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(COLUMNS)
        csv.DictWriter(self._file, COLUMNS).writerows(sample_rows(second))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
