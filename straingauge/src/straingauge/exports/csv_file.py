"""Seconds as a table of comma-separated values."""

import csv
from pathlib import Path
from typing import Final, TextIO

from straingauge.exports.second import Second

COLUMNS: Final = (
    *("run", "time", "start_s", "end_s", "users", "arrivals_due", "arrivals_started"),
    *("server_cpu_percent", "server_rss_bytes"),
    *("endpoint", "requests", "rate_limited", "statuses", "errors", "p50_ms", "p95_ms", "p99_ms"),
)


class CsvFile:
    """A file with a row for each endpoint in each second; the first line has the names.

    A second without requests has one row, without an endpoint. Statuses and errors are counts by
    name, such as "200=45 503=2".

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
        writer = csv.writer(self._file)
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
            writer.writerow((*start, name, *(figures[each] for each in COLUMNS[10:])))
        if not second.endpoints:
            writer.writerow((*start, *[""] * (len(COLUMNS) - len(start))))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
