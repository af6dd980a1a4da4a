"""Lines of code whose memory or threads grow with the requests, from snapshots of the probe."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from straingauge.profile.own_code import Frame, OwnCode
from straingauge.result.format.memory import GrowingLine, GrowingThreads

MIN_BYTES_PER_REQUEST: Final = 100.0  # smaller growth is that of counters and metrics
MIN_THREADS: Final = 4  # fewer may be those of an executor, of which a request needs one at a time
STEADY: Final = 0.5  # of the growth before: a cache or a pool that fills up slows down
MAX_LINES: Final = 10

Line = tuple[str, int]


class ThreadKind(NamedTuple):
    """Threads that one line creates.

    Attributes:
        file: The file.
        line: The line that creates them, of the service's own code where there is any.
        target: Name of the function that they run.
    """

    file: str
    line: int
    target: str


Kind = TypeVar("Kind", Line, ThreadKind)


@dataclass(frozen=True, slots=True)
class InUse:
    """Memory and threads of a service, as far as the probe has seen their origin.

    Attributes:
        memory: Bytes by line.
        threads: Number of threads by their kind.
    """

    memory: Counter[Line] = field(default_factory=Counter)
    threads: Counter[ThreadKind] = field(default_factory=Counter)

    def __add__(self, other: "InUse") -> "InUse":
        """Return what two processes have."""
        return InUse(self.memory + other.memory, self.threads + other.threads)


class GrowthSnapshot(NamedTuple):
    """Memory and threads in use after a number of requests.

    Attributes:
        requests: Requests so far.
        in_use: What is in use.
    """

    requests: int
    in_use: InUse


def read_in_use(content: Mapping[str, Any], own: OwnCode) -> InUse:
    """Read an answer of the probe: lines of the service's own code where a stack has any.

    Args:
        content: The object that the probe returns.
        own: Recognises the service's own code.
    """
    found = InUse()
    for allocation in content["allocations"]:
        found.memory[_nearest(allocation["frames"], own)] += int(allocation["bytes"])
    for threads in content["threads"]:
        kind = ThreadKind(*_nearest(threads["frames"], own), str(threads["target"]))
        found.threads[kind] += int(threads["count"])
    return found


def _nearest(rows: Sequence[Sequence[Any]], own: OwnCode) -> Line:
    frames = [Frame(str(file), int(line), "") for file, line in rows]
    index = own.nearest(frames)
    frame = frames[-1 if index is None else index]
    return own.shown(frame.file), frame.line


def growing_lines(snapshots: Sequence[GrowthSnapshot]) -> list[GrowingLine]:
    """Return the lines whose memory grew from each snapshot to the next, the fastest first.

    Args:
        snapshots: Three snapshots, in order. Growth that slows down in the second half is that of
            something that fills up.
    """
    in_use = [each.in_use.memory for each in snapshots]
    found: list[GrowingLine] = [
        {"file": file, "line": line, "bytes_per_request": round(rate, 1), "grown_bytes": grown}
        for (file, line), grown, rate in _steady(snapshots, in_use)
        if rate >= MIN_BYTES_PER_REQUEST
    ]
    return sorted(found, key=lambda each: -each["grown_bytes"])[:MAX_LINES]


def growing_threads(snapshots: Sequence[GrowthSnapshot]) -> list[GrowingThreads]:
    """Return the lines whose threads grew from each snapshot to the next, the fastest first.

    Args:
        snapshots: As for `growing_lines`.
    """
    in_use = [each.in_use.threads for each in snapshots]
    found: list[GrowingThreads] = [
        {
            "file": kind.file,
            "line": kind.line,
            "target": kind.target,
            "threads_per_request": round(rate, 4),
            "grown_threads": grown,
        }
        for kind, grown, rate in _steady(snapshots, in_use)
        if grown >= MIN_THREADS
    ]
    return sorted(found, key=lambda each: -each["grown_threads"])[:MAX_LINES]


def _steady(
    snapshots: Sequence[GrowthSnapshot], in_use: Sequence[Counter[Kind]]
) -> Iterator[tuple[Kind, int, float]]:
    """Yield what grew steadily, with its growth in all and per request."""
    start, half, end = (each.requests for each in snapshots)
    if not start < half < end:
        return
    first, middle, last = in_use
    for kind, amount in last.items():
        before = (middle[kind] - first[kind]) / (half - start)
        after = (amount - middle[kind]) / (end - half)
        if before > 0 and after >= STEADY * before:
            grown = amount - first[kind]
            yield kind, grown, grown / (end - start)
