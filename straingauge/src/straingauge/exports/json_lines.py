"""Seconds as JSON lines."""

from typing import Any

import orjson

from straingauge.exports.export_file import ExportFile
from straingauge.exports.second import Second


class JsonLines(ExportFile):
    """A file with one JSON object for each second."""

    def content(self, second: Second) -> bytes:
        """Return the line of a second."""
        return orjson.dumps(as_json(second)) + b"\n"


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
