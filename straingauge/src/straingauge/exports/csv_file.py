"""Seconds as a table of comma-separated values."""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Final

from straingauge.exports.export_file import ExportFile
from straingauge.exports.second import Second

COLUMNS: Final = (
    *("run", "time", "start_s", "end_s", "users", "arrivals_due", "arrivals_started"),
    *("server_cpu_percent", "server_rss_bytes"),
    *("endpoint", "requests", "rate_limited", "statuses", "errors", "p50_ms", "p95_ms", "p99_ms"),
)


class CsvFile(ExportFile):
    """A file with a row for each endpoint in each second; the first line has the names.

    A second without requests has one row, without an endpoint. Statuses and errors are counts by
    name, such as "200=45 503=2".
    """

    def header(self) -> bytes:
        """Return the line of names."""
        return csv_bytes([COLUMNS])

    def content(self, second: Second) -> bytes:
        """Return the rows of a second."""
        return csv_bytes(_rows(second))


def csv_bytes(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as comma-separated values in UTF-8."""
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _rows(second: Second) -> Iterator[tuple[object, ...]]:
    start = (
        second.run,
        f"{second.time:.3f}",
        f"{second.start_s:.3f}",
        f"{second.end_s:.3f}",
        second.users,
        second.arrivals_due,
        second.arrivals_started,
        second.server_cpu_percent,
        second.server_rss_bytes,
    )
    for name, endpoint in second.endpoints.items():
        figures = endpoint.figures()
        for counts in ("statuses", "errors"):
            figures[counts] = " ".join(f"{key}={n}" for key, n in figures[counts].items())
        yield (*start, name, *(figures[each] for each in COLUMNS[10:]))
    if not second.endpoints:
        yield (*start, *[""] * (len(COLUMNS) - len(start)))
