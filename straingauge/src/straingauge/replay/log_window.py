"""The part of a log that is replayed: from a time to a time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import Final

from straingauge.errors import UsageError
from straingauge.replay.log_time import as_datetime, instant_ns
from straingauge.time_text import parse_time

_ZONE: Final = re.compile(r"\d\d:\d\d:\d\d(?:[.,]\d+)? ?([+-])(\d\d):?(\d\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class LogTime:
    """A time in a log, as a user writes it.

    Attributes:
        text: A time since the first request (10m), a time of its day (13:55), or a date and time
            (2026-10-10T13:55). Without a zone, it has that of the log.
    """

    text: str

    def __post_init__(self) -> None:
        if parse_time(self.text) is None and self._at is None and self._of_day is None:
            raise UsageError(
                f"{self.text!r} is no time in a log",
                hint="write 10m (after the first request), 13:55 or 2026-10-10T13:55:00",
            )

    @property
    def _at(self) -> datetime | None:
        try:
            return datetime.fromisoformat(self.text)
        except ValueError:
            return None

    @property
    def _of_day(self) -> time | None:
        try:
            return time.fromisoformat(self.text)
        except ValueError:
            return None

    def instant_ns(self, first_ns: int, zone: tzinfo) -> int:
        """Return the instant, in nanoseconds since 1970.

        Args:
            first_ns: The time of the log's first request.
            zone: The zone of the log's times.
        """
        after_s = parse_time(self.text)
        if after_s is not None:
            return first_ns + round(after_s * 1e9)
        at = self._at
        if at is None:
            of_day = self._of_day
            assert of_day is not None
            at = datetime.combine(as_datetime(first_ns).astimezone(zone), of_day)
        return instant_ns(at if at.tzinfo else at.replace(tzinfo=zone))


@dataclass(frozen=True, slots=True)
class LogWindow:
    """The part of a log from one instant to another, in nanoseconds since 1970.

    Attributes:
        begin_ns: The first instant.
        end_ns: The instant after the last one; None for no end.
    """

    begin_ns: int = 0
    end_ns: int | None = None

    @classmethod
    def of(
        cls, begin: LogTime | None, end: LogTime | None, first_ns: int, zone: tzinfo
    ) -> "LogWindow":
        """Return the window between two times of a log.

        Raises:
            UsageError: The end is not after the begin.
        """
        begin_ns = 0 if begin is None else begin.instant_ns(first_ns, zone)
        end_ns = None if end is None else end.instant_ns(first_ns, zone)
        if end_ns is not None and end_ns <= begin_ns:
            raise UsageError("--to must be later than --from")
        return cls(begin_ns, end_ns)

    def has(self, at_ns: int) -> bool:
        """Return whether an instant is in the window."""
        return self.begin_ns <= at_ns and (self.end_ns is None or at_ns < self.end_ns)


def zone_of(line: str) -> tzinfo:
    """Return the zone of the time in a line of a log; UTC if it has none."""
    found = _ZONE.search(line)
    if found is None:
        return UTC
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    if offset >= timedelta(days=1):
        return UTC
    return timezone(-offset if found[1] == "-" else offset)
