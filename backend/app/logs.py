"""What is logged, and what never is: no transcript, no token, no password, no e-mail address.

Requests are logged by their route's template, not their address. Of an exception its type and where
it was raised are logged, not its message, because drivers quote the row they choked on. In all
other messages what looks like an e-mail address or a token is blotted out.
"""

import logging
import re
import sys
import time
import traceback
from pathlib import Path

import orjson

from app.context import RequestContext, current_request
from app.log_file import LogFile
from app.settings import Settings

_SECRETS = re.compile(
    r"(?P<email>[^\s@\"'<>(]+@[^\s@\"'<>)]+\.[^\s@\"'<>),]+)"
    r"|(?P<jwt>eyJ[\w-]{8,}(?:\.[\w-]*)*)"
    r"|(?P<bearer>(?i:bearer)\s+\S+)"
    r"|(?P<url>(?<=://)[^\s/@]+(?=@))"
)


def redact(text: str) -> str:
    """The text without e-mail addresses, tokens, and passwords in URLs."""
    return _SECRETS.sub(lambda match: f"[{match.lastgroup}]", text)


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        entry: dict[str, object] = {
            "time": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        request = current_request.get()
        if request is not None:
            entry["request_id"] = request.request_id
        if record.exc_info is not None and record.exc_info[1] is not None:
            entry["exception"] = describe(record.exc_info[1])
        return orjson.dumps(entry, default=str).decode()


def describe(error: BaseException) -> dict[str, object]:
    """An exception's type and place, and PostgreSQL's code for it; never its message."""
    described: dict[str, object] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-20:]
        ],
    }
    sqlstate = getattr(getattr(error, "orig", error), "sqlstate", None)
    if sqlstate is not None:
        described["sqlstate"] = sqlstate
    cause = error.__cause__ or error.__context__
    if cause is not None:
        described["cause"] = describe(cause)
    return described


class _FileHandler(logging.Handler):
    """Log records into the shared file; warnings and worse at once, they may be the last words."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode() + b"\n"
            self._file.write(line, at_once=record.levelno >= logging.WARNING)
        except Exception:  # noqa: BLE001 -- logging's own protocol: report it, never raise
            self.handleError(record)

    def close(self) -> None:
        """Write the last lines; a handler may be closed more than once."""
        self._file.close()
        super().close()


class _ConsoleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname}:  {redact(record.getMessage())}"


class Logs:
    """Logging of one app: `start` to `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._attached: list[tuple[logging.Logger, logging.Handler]] = []
        self.access: AccessLog | None = None

    def start(self) -> None:
        """Open the file and send records to it."""
        settings = self._settings
        file = LogFile(
            settings.log_dir / "app.log",
            max_bytes=settings.log_max_bytes,
            backups=settings.log_backups,
        )
        level = logging.getLevelNamesMapping()[settings.log_level]
        if level <= logging.INFO:
            self.access = AccessLog(file)
        logging.getLogger("app").setLevel(level)
        handler = _FileHandler(file)
        console = logging.StreamHandler(sys.stderr)
        console.setFormatter(_ConsoleFormatter())
        console.setLevel(logging.WARNING)
        # uvicorn's loggers keep to themselves, so they are named beside the root.
        self._attached = [
            (logging.getLogger(), handler),
            (logging.getLogger("uvicorn"), handler),
            (logging.getLogger("app"), console),
        ]
        for logger, each in self._attached:
            logger.addHandler(each)

    def stop(self) -> None:
        """Stop sending, and write the last lines."""
        self.access = None
        for logger, handler in self._attached:
            logger.removeHandler(handler)
            handler.close()


class AccessLog:
    """One line for each request, written without a log record: it is the hottest line there is."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def write(
        self, request: RequestContext, method: str, route: str, status: int, total_ns: int
    ) -> None:
        """Log a request that was answered. The arguments need no escaping: none is the client's."""
        line = (
            f'{{"time":"{_timestamp(time.time())}","level":"INFO","logger":"access",'
            f'"request_id":"{request.request_id}","method":"{method}","route":"{route}",'
            f'"status":{status},"total_ms":{total_ns / 1e6:.3f},'
            f'"pool_ms":{request.pool_ns / 1e6:.3f},"db_ms":{request.db_ns / 1e6:.3f}}}\n'
        )
        self._file.write(line.encode())


_second = (0, "")


def _timestamp(epoch_s: float) -> str:
    global _second  # noqa: PLW0603 -- formatting a date costs more than the rest of the line
    whole_s = int(epoch_s)
    if _second[0] != whole_s:
        _second = (whole_s, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole_s)))
    return f"{_second[1]}.{int((epoch_s - whole_s) * 1000):03d}Z"
