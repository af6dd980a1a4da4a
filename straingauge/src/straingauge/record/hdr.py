"""Records for the tools of HdrHistogram: its V2 encoding (`HISTFAAA...`) and its interval log.

Values are nanoseconds, from 1 to an hour, with 3 significant figures; longer times count as an
hour. What is encoded is our own histogram, so a percentile read back is within 0.5 % of the
sample: 0.4 % of ours and 0.1 % of theirs. A log's intervals come from the timeline, which is
coarser: within 6.4 %, the longest time of each within 0.1 %.

The encoding: a big-endian cookie and length before zlib-compressed contents, all in base64. The
contents are a header and the counts, as ZigZag LEB128 numbers in the order of their cells; a
negative number stands for that many empty cells. Source: "Encoded Histogram format" in the wiki
of HdrHistogram.NET; for the log, the Javadoc of HdrHistogram's HistogramLogWriter.
"""

import base64
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Histogram, bucket_edges_ns
from straingauge.record.record import Record
from straingauge.record.series import Series
from straingauge.record.timeline import COARSE_EDGES_NS, SERVED, Timeline

_LEAST_NS: Final = 1
_MOST_NS: Final = 3_600_000_000_000
_FIGURES: Final = 3
# Two cells a unit of the last figure, rounded up to a power of two: the first 2048 values have
# cells of their own, each octave after them has 1024.
_OCTAVE_BITS: Final = 10

_ENVELOPE: Final = struct.Struct(">II")  # cookie, length of the compressed contents
_ENVELOPE_COOKIE: Final = 0x1C849314
# Cookie, length of the counts, index offset, figures, least and greatest value, value ratio.
_HEADER: Final = struct.Struct(">IIIIQQd")
_HEADER_COOKIE: Final = 0x1C849313

_LEGEND: Final = (
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
)
_NOT_IN_A_TAG: Final = re.compile(r"[\s,%]")


class _Interval(NamedTuple):
    start_s: float
    tag: str
    length_s: float
    longest_ns: int
    payload: str

    def __str__(self) -> str:
        longest_ms = self.longest_ns / 1e6
        times = f"{self.start_s:.3f},{self.length_s:.3f},{longest_ms:.3f}"
        return f"Tag={self.tag},{times},{self.payload}\n"


def encode(histogram: Histogram) -> str:
    """A histogram as HdrHistogram's V2 compressed base64."""
    if histogram.max_ns is None:
        return _payload(Counter())
    edges_ns = bucket_edges_ns(np.arange(histogram.counts.size + 1))
    return _payload(_times(histogram.counts, edges_ns, histogram.max_ns))


def interval_log(
    record: Record, phase: str, *, started_at_s: float, whole_run: bool = False
) -> Iterator[str]:
    """The response times of a phase as the lines of an HdrHistogram interval log, V1.3.

    Start and length of an interval are in seconds, its longest time in milliseconds. The tag is
    the endpoint's name with `%20` for a space, as the format forbids spaces and commas in it;
    `urllib.parse.unquote` gives the name again.

    Args:
        record: what was measured.
        phase: which of its phases; one without requests gives a log without intervals.
        started_at_s: when the phase started, in seconds since the epoch.
        whole_run: one interval an endpoint, exact to 0.5 %. Otherwise one for each slot of the
            endpoint's timeline (1 s, more in a long run) in which anything was served.
    """
    date = datetime.fromtimestamp(started_at_s, UTC).isoformat(timespec="milliseconds")
    yield "#[Histogram log format version 1.3]\n"
    yield f"#[StartTime: {started_at_s:.3f} (seconds since epoch), {date}]\n"
    yield f"#[BaseTime: {started_at_s:.3f} (seconds since epoch)]\n"
    yield _LEGEND
    intervals: list[_Interval] = []
    for name, series in record.endpoints(phase).items():
        tag = _NOT_IN_A_TAG.sub(lambda found: quote(found[0], safe=""), name)
        if whole_run:
            intervals.append(_run(tag, series))
        else:
            intervals += _slots(tag, series.timeline)
    yield from map(str, sorted(intervals))  # readers rely on the order of time


def _run(tag: str, series: Series) -> _Interval:
    first_ns, last_ns = max(series.first_ns or 0, 0), series.last_ns or 0
    return _Interval(
        first_ns / 1e9,
        tag,
        (last_ns - first_ns) / 1e9,
        series.response.max_ns or 0,
        encode(series.response),
    )


def _slots(tag: str, timeline: Timeline) -> Iterator[_Interval]:
    width_s = timeline.width_s
    for slot in np.flatnonzero(timeline.sums[:, SERVED]).tolist():
        longest_ns = int(timeline.longest_ns[slot])
        times = _times(timeline.heat[slot], COARSE_EDGES_NS, longest_ns)
        yield _Interval(slot * width_s, tag, width_s, longest_ns, _payload(times))


def _times(
    counts: NDArray[np.integer], edges_ns: NDArray[np.float64], longest_ns: int
) -> Counter[int]:
    """How often each time occurred: a bucket's at its middle, the longest one as it was."""
    filled = np.flatnonzero(counts)
    middles_ns = np.minimum((edges_ns[filled] + edges_ns[filled + 1]) / 2, longest_ns)
    times: Counter[int] = Counter()
    for middle_ns, count in zip(middles_ns.tolist(), counts[filled].tolist(), strict=True):
        times[int(middle_ns)] += count
    times[int(middles_ns[-1])] -= 1
    times[longest_ns] += 1
    return times


def _payload(times: Counter[int]) -> str:
    cells: Counter[int] = Counter()
    for time_ns, count in times.items():
        cells[_cell(min(time_ns, _MOST_NS))] += count
    numbers = bytearray()
    following = 0
    for cell, count in sorted((+cells).items()):
        if gap := cell - following:
            numbers += _number(-gap)
        numbers += _number(count)
        following = cell + 1
    header = _HEADER.pack(_HEADER_COOKIE, len(numbers), 0, _FIGURES, _LEAST_NS, _MOST_NS, 1.0)
    contents = zlib.compress(header + numbers)
    return base64.b64encode(_ENVELOPE.pack(_ENVELOPE_COOKIE, len(contents)) + contents).decode()


def _cell(time_ns: int) -> int:
    """Where HdrHistogram counts a time: octave by octave, each in 1024 equal cells."""
    octave = max(0, time_ns.bit_length() - (_OCTAVE_BITS + 1))
    return (octave << _OCTAVE_BITS) + (time_ns >> octave)


def _number(value: int) -> bytes:
    """ZigZag LEB128. The format's own limit of nine bytes only tells beyond 2**55 counts."""
    rest = 2 * value if value >= 0 else -2 * value - 1
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
