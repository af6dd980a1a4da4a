"""Seconds as JSON lines."""

from pathlib import Path
from typing import Any, BinaryIO

import orjson

from straingauge.exports.second import Second


class JsonLines:
    """A file with one JSON object for each second; a reader may follow it.

    Args:
        path: The file, which is replaced when the first second comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def add(self, second: Second) -> None:
        """Write a line."""
        if self._file is None:
            self._file = self._path.open("wb")
        self._file.write(orjson.dumps(as_json(second)) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def as_json(second: Second) -> dict[str, Any]:
    """Return a second as a JSON object."""
    return {
        "run": second.run,
        "time": round(second.time, 3),
        "start_s": round(second.start_s, 3),
        "end_s": round(second.end_s, 3),
        "users": second.users,
        "arrivals_due": second.arrivals_due,
        "arrivals_started": second.arrivals_started,
        "server_cpu_percent": second.server_cpu_percent,
        "server_rss_bytes": second.server_rss_bytes,
        "endpoints": {name: each.figures() for name, each in second.endpoints.items()},
    }
