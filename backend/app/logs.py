"""JSON logging without transcripts, tokens, passwords or e-mail addresses.

Requests are logged with the path template of their route, not their URL. Exceptions are logged with
type and stack, not with their message, because messages of drivers can quote rows. In all other
messages, e-mail addresses and tokens are redacted.
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
from app.metrics import log_metrics
from app.settings import Settings

_SECRETS = re.compile(
    r"(?P<email>[^\s@\"'<>(]+@[^\s@\"'<>)]+\.[^\s@\"'<>),]+)"
    r"|(?P<jwt>eyJ[\w-]{8,}(?:\.[\w-]*)*)"
    r"|(?P<bearer>(?i:bearer)\s+\S+)"
    r"|(?P<url>(?<=://)[^\s/@]+(?=@))"
)


def redact(text: str) -> str:
    """Replace e-mail addresses, tokens, and passwords in URLs."""
    return _SECRETS.sub(lambda match: f"[{match.lastgroup}]", text)


class JsonFormatter(logging.Formatter):
    """Formats a log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without a newline."""
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
            entry["exception"] = describe_exception(record.exc_info[1])
        return orjson.dumps(entry, default=str).decode()


def describe_exception(error: BaseException) -> dict[str, object]:
    """Return type, stack, SQLSTATE and cause of an exception, without its message."""
    description: dict[str, object] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-20:]
        ],
    }
    sqlstate = getattr(getattr(error, "orig", error), "sqlstate", None)
    if sqlstate is not None:
        description["sqlstate"] = sqlstate
    cause = error.__cause__ or error.__context__
    if cause is not None:
        description["cause"] = describe_exception(cause)
    return description


class _FileHandler(logging.Handler):
    """Writes log records to the shared file; warnings and errors are flushed immediately."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode() + b"\n"
            self._file.write(line, flush=record.levelno >= logging.WARNING)
        except Exception:  # noqa: BLE001 -- the protocol of logging: report, do not raise
            self.handleError(record)

    def close(self) -> None:
        """Flush and close the file. Can be called more than once."""
        self._file.close()
        super().close()


class _ConsoleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname}:  {redact(record.getMessage())}"


class Logs:
    """Logging of one app, between `start` and `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._attached: list[tuple[logging.Logger, logging.Handler]] = []
        self.access: AccessLog | None = None

    def start(self) -> None:
        """Open the log file and attach the handlers."""
        settings = self._settings
        file = LogFile(
            settings.log_dir / "app.log",
            max_bytes=settings.log_max_bytes,
            backups=settings.log_backups,
            on_lost=log_metrics.on_lost,
        )
        level = logging.getLevelNamesMapping()[settings.log_level]
        if level <= logging.INFO:
            self.access = AccessLog(file)
        logging.getLogger("app").setLevel(level)
        handler = _FileHandler(file)
        console = logging.StreamHandler(sys.stderr)
        console.setFormatter(_ConsoleFormatter())
        console.setLevel(logging.WARNING)
        # uvicorn's loggers do not propagate to the root logger, so they need the handler, too.
        self._attached = [
            (logging.getLogger(), handler),
            (logging.getLogger("uvicorn"), handler),
            (logging.getLogger("app"), console),
        ]
        for logger, attached in self._attached:
            logger.addHandler(attached)

    def stop(self) -> None:
        """Detach the handlers and close the log file."""
        self.access = None
        for logger, handler in self._attached:
            logger.removeHandler(handler)
            handler.close()


class AccessLog:
    """Access log, one line per request. It bypasses `logging` for speed."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def write(
        self, request: RequestContext, method: str, route: str, status: int, total_ns: int
    ) -> None:
        """Log a request. The arguments are not escaped: they must not contain client input."""
        line = (
            f'{{"time":"{_timestamp(time.time())}","level":"INFO","logger":"access",'
            f'"request_id":"{request.request_id}","client":"{request.client}",'
            f'"method":"{method}","route":"{route}",'
            f'"status":{status},"total_ms":{total_ns / 1e6:.3f},'
            f'"pool_ms":{request.pool_ns / 1e6:.3f},"db_ms":{request.db_ns / 1e6:.3f}}}\n'
        )
        self._file.write(line.encode())


_cached_second = (0, "")


def _timestamp(epoch_s: float) -> str:
    global _cached_second  # noqa: PLW0603 -- formatting a date costs more than the rest of the line
    second = int(epoch_s)
    if _cached_second[0] != second:
        _cached_second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    return f"{_cached_second[1]}.{int((epoch_s - second) * 1000):03d}Z"
