"""Samples of single requests as JSON lines and as comma-separated values."""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from straingauge.exports.csv_file import csv_bytes
from straingauge.exports.export_file import ExportFile
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


class SampleLines(ExportFile):
    """A file with one JSON object for each sample."""

    def content(self, second: Second) -> bytes:
        """Return the lines of a second."""
        return b"".join(orjson.dumps(row) + b"\n" for row in sample_rows(second))


class SampleTable(ExportFile):
    """A file with a row for each sample; the first line has the names."""

    def header(self) -> bytes:
        """Return the line of names."""
        return csv_bytes([COLUMNS])

    def content(self, second: Second) -> bytes:
        """Return the rows of a second."""
        return csv_bytes([row[each] for each in COLUMNS] for row in sample_rows(second))
