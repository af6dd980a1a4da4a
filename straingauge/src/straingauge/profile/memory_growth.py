"""Lines of code whose memory grows with the requests, from snapshots of `tracemalloc`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from straingauge.profile.own_code import Frame, OwnCode
from straingauge.result.format.memory import GrowingLine

MIN_BYTES_PER_REQUEST: Final = 100.0  # smaller growth is that of counters and metrics
STEADY: Final = 0.5  # of the growth before: a cache or a pool that fills up slows down
MAX_LINES: Final = 10

Line = tuple[str, int]


class MemorySnapshot(NamedTuple):
    """Memory in use after a number of requests.

    Attributes:
        requests: Requests so far.
        bytes_by_line: Memory in use, by the line nearest to its allocation.
    """

    requests: int
    bytes_by_line: Mapping[Line, int]


def read_memory(content: Mapping[str, Any], own: OwnCode) -> Counter[Line]:
    """Return the memory in use by line: of the service's own code where a stack has any.

    Args:
        content: The object that the probe returns.
        own: Recognises the service's own code.
    """
    found: Counter[Line] = Counter()
    for allocation in content["allocations"]:
        frames = [Frame(str(file), int(line), "") for file, line in allocation["frames"]]
        index = own.nearest(frames)
        frame = frames[-1 if index is None else index]
        found[own.shown(frame.file), frame.line] += int(allocation["bytes"])
    return found


def growing_lines(snapshots: Sequence[MemorySnapshot]) -> list[GrowingLine]:
    """Return the lines whose memory grew from each snapshot to the next, the fastest first.

    Args:
        snapshots: Three snapshots, in order. Growth that slows down in the second half is that of
            something that fills up.
    """
    first, middle, last = snapshots
    if not first.requests < middle.requests < last.requests:
        return []
    found: list[GrowingLine] = []
    for line, in_use in last.bytes_by_line.items():
        before = _rate(line, first, middle)
        after = _rate(line, middle, last)
        grown = in_use - first.bytes_by_line.get(line, 0)
        rate = grown / (last.requests - first.requests)
        if before > 0 and after >= STEADY * before and rate >= MIN_BYTES_PER_REQUEST:
            file, number = line
            found.append(
                {
                    "file": file,
                    "line": number,
                    "bytes_per_request": round(rate, 1),
                    "grown_bytes": grown,
                }
            )
    return sorted(found, key=lambda each: -each["grown_bytes"])[:MAX_LINES]


def _rate(line: Line, before: MemorySnapshot, after: MemorySnapshot) -> float:
    grown = after.bytes_by_line.get(line, 0) - before.bytes_by_line.get(line, 0)
    return grown / (after.requests - before.requests)
