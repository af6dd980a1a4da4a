"""Read an access log into a recording."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from straingauge.errors import UsageError
from straingauge.journey import User
from straingauge.number_text import count
from straingauge.replay.json_lines import json_format
from straingauge.replay.line_formats import COMMON, UVICORN, LogFormat
from straingauge.replay.log_file import read_lines
from straingauge.replay.log_window import LogTime, LogWindow, zone_of
from straingauge.replay.own_format import own_format
from straingauge.replay.recording import Recording, make_request
from straingauge.replay.request import RecordedRequest
from straingauge.replay.request_table import RequestTable
from straingauge.replay.sessions import assign_users
from straingauge.replay.summary import MAPPED, NO_PATH, NO_TIME, OUTSIDE, WRITES, LogSummary
from straingauge.replay.timing import SECOND_NS, has_whole_seconds, spread_within_seconds
from straingauge.schedule import recorded

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE_LINES: Final = 200
"""Lines by which the format is detected."""

MAX_DURATION_S: Final = 366 * 86_400.0
"""Longest replay; one line with a wrong date must not make it endless."""

Change: TypeAlias = Callable[[RecordedRequest], RecordedRequest | None]
"""A function of a user that changes a request, or returns None to skip it."""

_READS: Final = frozenset({"GET", "HEAD"})
_SHOWN: Final = 80  # characters of a line in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """An access log, and which of its requests are sent when.

    Attributes:
        path: The log.
        size_bytes: Its size, up to which each process reads it.
        speed: Factor of the log's speed.
        rate_per_s: Requests per second, in place of the log's times.
        begin, end: The part of the log; None for its begin or end.
        writes: Send all methods, not GET and HEAD only.
        most_users: Highest number of users.
        pattern: Regular expression of its lines, see `own_format`; None to detect their format.
    """

    path: Path
    size_bytes: int
    speed: float = 1.0
    rate_per_s: float | None = None
    begin: LogTime | None = None
    end: LogTime | None = None
    writes: bool = False
    most_users: int = 1000
    pattern: str | None = None


def read_recording(source: LogSource, change: Change | None = None) -> Recording:
    """Read the requests of a log that are to be sent.

    Args:
        source: The log.
        change: Changes each request, or returns None to skip it. It must return the same for the
            same request in each process.

    Raises:
        UsageError: The log cannot be read, its format is not known or that of less than half of its
            lines, its times are missing, no request is left, or `change` fails.
    """
    began_s = time.monotonic()
    lines = read_lines(source.path, source.size_bytes)
    sample = list(islice(lines, SAMPLE_LINES))
    pattern = source.pattern
    found = detect_format(sample, source.path) if pattern is None else own_format(pattern)
    reader = _Reader(source, found, change)
    for line in chain(sample, lines):
        reader.add(line)
    reader.require_parsed()
    recording = _recording(source, reader.table, reader.summary)
    reader.summary.read_s = round(time.monotonic() - began_s, 3)
    return recording


def detect_format(sample: Sequence[str], path: Path) -> LogFormat:
    """Return the format that most of these lines have.

    Raises:
        UsageError: None of them has a known one.
    """
    counts = {
        each: sum(each.parse(line) is not None for line in sample)
        for each in (COMMON, UVICORN, json_format(sample))
    }
    best = max(counts, key=lambda each: counts[each])
    if counts[best]:
        return best
    begin = next(filter(None, sample), "")[:_SHOWN]
    first = f"; it begins with {begin!a}" if begin else ""
    raise UsageError(
        f"{path}: not an access log in a known format{first}",
        hint="known are common and combined (nginx, Apache), uvicorn, and JSON lines with method"
        " and path; others are described by --log-format REGEX",
    )


class _Reader:
    """Takes the lines of a log, one by one."""

    def __init__(self, source: LogSource, found: LogFormat, change: Change | None) -> None:
        self.table = RequestTable()
        self.summary = LogSummary(source.path.name, found.name, speed=source.speed)
        self._source = source
        self._parse = found.parse
        self._change = change
        self._window: LogWindow | None = None
        self._checker = User(0)
        self._first_unparsed = ""
        self._number = 0

    def add(self, line: str) -> None:
        """Take a line."""
        self._number += 1
        if not line:
            return
        summary = self.summary
        summary.lines += 1
        request = self._parse(line)
        if request is None:
            if not summary.unparsed:
                summary.first_unparsed, self._first_unparsed = self._number, line
            summary.unparsed += 1
            return
        reason = self._outside(request, line) or self._unsendable(request)
        session = request.session if request.client else None
        if reason is None and self._change is not None:
            changed = self._changed(request, self._change)
            if changed is None:
                reason = MAPPED
            else:
                request, reason = changed, self._unsendable(changed)
        if reason is None:
            self.table.add(request, session)
            summary.has_clients |= session is not None
        else:
            summary.skipped[reason] += 1

    def require_parsed(self) -> None:
        """Require that at least half of the lines have the format.

        Raises:
            UsageError: They do not.
        """
        summary, path = self.summary, self._source.path
        if 2 * summary.unparsed > summary.lines:
            raise UsageError(
                f"{path}: {summary.unparsed} of {count(summary.lines, 'line')} are not in the"
                " format"
                f" {summary.format}; the first is line {summary.first_unparsed}:"
                f" {self._first_unparsed[:_SHOWN]!a}",
                hint="remove the lines of other formats, such as with grep",
            )

    def _outside(self, request: RecordedRequest, line: str) -> str | None:
        source = self._source
        if source.begin is None and source.end is None:
            return None
        if not request.at_ns:
            return NO_TIME
        if self._window is None:
            self._window = LogWindow.of(source.begin, source.end, request.at_ns, zone_of(line))
        return None if self._window.has(request.at_ns) else OUTSIDE

    def _unsendable(self, request: RecordedRequest) -> str | None:
        if not request.target.startswith("/") or not request.method:
            return NO_PATH
        return None if self._source.writes or request.method in _READS else WRITES

    def _changed(self, request: RecordedRequest, change: Change) -> RecordedRequest | None:
        """Return the request as the user's function changes it; raises UsageError."""
        line = self._number
        try:
            changed = change(request)
        except Exception as error:
            raise UsageError(
                f"--map failed at line {line} ({request.method} {request.path}):"
                f" {type(error).__name__}: {error}"
            ) from error
        if changed is None or changed is request:
            return changed
        if not isinstance(changed, RecordedRequest):
            raise UsageError(
                f"--map returned {changed!r} at line {line}, neither a request nor None",
                hint="return dataclasses.replace(request, target=...)",
            )
        try:
            make_request(self._checker, changed)
        except (TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"--map at line {line}: {error}") from error
        return changed


def _recording(source: LogSource, table: RequestTable, summary: LogSummary) -> Recording:
    """Return the requests of a table in the order of their times; raises UsageError."""
    at_ns = np.array(table.at_ns, dtype=np.int64)
    has_time = at_ns > 0
    if has_time.any() and not has_time.all():
        summary.skipped[NO_TIME] += int(np.count_nonzero(~has_time))
    elif not has_time.any():
        has_time[:] = True
        if len(table) and source.rate_per_s is None:
            raise UsageError(
                f"{source.path}: its lines have no times",
                hint="--rate R sends the requests evenly; uvicorn writes times if the format of"
                " its access log begins with %(asctime)s",
            )
    places = np.flatnonzero(has_time)
    if not len(places):
        raise UsageError(
            f"{source.path}: no request is left to send ({_reasons(summary)})",
            hint="straingauge replay --help lists what is skipped, and how to send it",
        )
    order = places[np.argsort(at_ns[places], kind="stable")]
    starts_ns = _starts_ns(source, at_ns[order], summary)
    session = np.array(table.session, dtype=np.uint32)[order]
    users, summary.shared = assign_users(starts_ns, session, source.most_users)
    schedule = recorded(starts_ns, users[session])
    summary.requests, summary.sessions = len(order), len(np.unique(session))
    summary.users, summary.duration_s = int(users.max()) + 1, schedule.duration_s
    return Recording(table, order, schedule, summary)


def _starts_ns(
    source: LogSource, at_ns: "NDArray[np.int64]", summary: LogSummary
) -> "NDArray[np.int64]":
    """Return the starts after the start of the load, from times in ascending order.

    Raises:
        UsageError: The replay would last too long.
    """
    span_s = int(at_ns[-1] - at_ns[0]) / SECOND_NS / source.speed
    if source.rate_per_s is not None:
        span_s = len(at_ns) / source.rate_per_s
    if span_s > MAX_DURATION_S:
        raise UsageError(
            f"{source.path}: the replay would last {span_s / 86_400:.0f} days",
            hint="limit it with --from and --to, or raise --speed or --rate",
        )
    if source.rate_per_s is not None:
        summary.rate_per_s = source.rate_per_s
        return (np.arange(len(at_ns)) * (SECOND_NS / source.rate_per_s)).astype(np.int64)
    summary.is_spread = has_whole_seconds(at_ns)
    if summary.is_spread:
        at_ns = spread_within_seconds(at_ns)
    starts_ns: NDArray[np.int64] = ((at_ns - at_ns[0]) / source.speed).astype(np.int64)
    return starts_ns


def _reasons(summary: LogSummary) -> str:
    found: Iterable[str] = (f"{count} {reason}" for reason, count in summary.skipped.items())
    return ", ".join(found) or "it has none"
