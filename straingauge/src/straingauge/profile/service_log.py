"""The exceptions that a service writes to its log during a load."""

import os
from pathlib import Path
from typing import Final

from straingauge.profile.own_code import OwnCode
from straingauge.profile.service_pids import service_code, started_code
from straingauge.profile.tracebacks import count_lines, read_tracebacks
from straingauge.result.format.exceptions import RaisedException
from straingauge.target.started_service import LOG_VARIABLE, StartedService

MAX_BYTES: Final = 8 * 1024 * 1024  # some thousand tracebacks, which are read in a second
MAX_LINES: Final = 20


def find_log(
    url: str, server_pid: int | None, started: StartedService | None = None
) -> "ServiceLog | None":
    """Return the log of a service that was started here, or by `straingauge serve`; else None.

    Args:
        url: The URL of the service.
        server_pid: Its parent process, if it cannot be found by its port.
        started: The service, if it was started here.
    """
    if started is not None and started.log_path is not None:
        return ServiceLog(started.log_path, started_code(started))
    path = os.environ.get(LOG_VARIABLE)
    return ServiceLog(Path(path), service_code(url, server_pid)) if path else None


class ServiceLog:
    """The part of a log that is written from now on.

    Args:
        path: The log file.
        own: Recognises the service's own code.
    """

    def __init__(self, path: Path, own: OwnCode) -> None:
        self._path = path
        self._own = own
        self._start = _size(path)

    def exceptions(self) -> list[RaisedException]:
        """Return the lines that raised exceptions, those that raised most first.

        Only the first megabytes count. Without the log there are none.
        """
        counts = count_lines(read_tracebacks(self._text()), self._own)
        ordered = sorted(counts.items(), key=lambda each: -each[1])[:MAX_LINES]
        return [
            {"type": kind, "file": file, "line": line, "function": function, "count": count}
            for (kind, file, line, function), count in ordered
        ]

    def _text(self) -> str:
        # A service that was restarted has a new log.
        start = self._start if _size(self._path) >= self._start else 0
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                return file.read(MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
