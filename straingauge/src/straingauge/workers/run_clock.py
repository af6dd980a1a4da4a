"""The wall clock of a run, for the times in its result."""

import time
from datetime import datetime, timedelta


def read_clocks() -> tuple[str, int]:
    """Return the local time in whole seconds, and that second as `time.monotonic_ns`.

    Returns:
        ISO 8601 with the offset of this machine's time zone, and the instant.
    """
    now, now_ns = datetime.now().astimezone(), time.monotonic_ns()
    return now.isoformat(timespec="seconds"), now_ns - 1000 * now.microsecond


def wall_time(started_at: str, started_ns: int, at_ns: int) -> str:
    """Return an instant of `time.monotonic_ns` as ISO 8601, in milliseconds.

    Args:
        started_at: An earlier instant, ISO 8601, whose offset from UTC is kept.
        started_ns: The same of `time.monotonic_ns`.
        at_ns: The instant.
    """
    passed = timedelta(microseconds=(at_ns - started_ns) / 1000)
    return (datetime.fromisoformat(started_at) + passed).isoformat(timespec="milliseconds")
