"""Times in access logs, as nanoseconds since 1970 (UTC)."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import inf
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_NS: Final = 1 << 63
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_COMMON: Final = re.compile(
    r"(\d{1,2})/([A-Za-z]{3})/(\d{4})[: ](\d\d):(\d\d):(\d\d)"
    r"(?:\.(\d{1,9}))?(?: ([+-]\d\d):?(\d\d))?",
    re.ASCII,
)
# Seconds since 1970 have 10 digits until 2286, and milliseconds, microseconds and nanoseconds three
# more each.
_US_BY_LIMIT: Final = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e20, 1e-3))


def parse_log_time(value: object) -> int | None:
    """Parse a time: of the common log format, of ISO 8601, or a number since 1970.

    A time without a zone is taken as UTC: only the differences of times count.

    Returns:
        Nanoseconds since 1970, of at most 63 bits (2262); None if it is no such time.
    """
    at_ns: int | None = None
    if isinstance(value, str):
        at_ns = _of_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        at_ns = _of_number(value)
    return at_ns if at_ns is not None and 0 < at_ns < _MAX_NS else None


def instant_ns(at: datetime) -> int:
    """Return a time as nanoseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND * 1000


def as_datetime(at_ns: int) -> datetime:
    """Return nanoseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=at_ns // 1000)


@lru_cache(maxsize=256)  # a busy second has many lines
def _of_text(text: str) -> int | None:
    found = _COMMON.fullmatch(text)
    if found is not None:
        return _of_common(found)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return _of_number(float(text))
        except ValueError:
            return None
    try:
        return instant_ns(at if at.tzinfo else at.replace(tzinfo=UTC))
    except OverflowError:
        return None


def _of_common(found: re.Match[str]) -> int | None:
    day, month, year, hour, minute, second, fraction, zone_h, zone_m = found.groups()
    try:
        at = datetime(
            int(year),
            _MONTHS.index(month.lower()) + 1,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),  # a leap second
            tzinfo=UTC,
        )
    except ValueError:
        return None
    offset_s = 0
    if zone_h is not None:
        offset_s = (int(zone_h) * 60 + (-1 if zone_h[0] == "-" else 1) * int(zone_m)) * 60
    fraction_ns = int((fraction or "").ljust(9, "0"))
    return instant_ns(at) - offset_s * 1_000_000_000 + fraction_ns


def _of_number(number: float) -> int | None:
    """Return a number since 1970 in its unit, to the microsecond, which floats can tell apart."""
    if not 0 < number < inf:
        return None
    for limit, us in _US_BY_LIMIT:
        if number < limit:
            return round(number * us) * 1000
    return None
