"""The clock time of the axis over time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


def clock(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return where the time axis of a run begins; None if its result does not say when.

    Returns:
        ``start_s``, seconds from 1970 until then by the clock of the machine that ran the load,
        in its time zone; ``zone``, the offset of that, such as "UTC+5:30".
    """
    started_at = result.get("load_started_at")
    if started_at is None:
        return None
    started = datetime.fromisoformat(started_at)
    offset = started.utcoffset() or timedelta()
    return {
        "start_s": round(started.timestamp() + offset.total_seconds(), 3),
        "zone": _zone(offset),
    }


def _zone(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02d}' if rest else ''}"
