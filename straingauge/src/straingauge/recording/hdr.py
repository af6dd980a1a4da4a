"""The V2 encoding of HdrHistogram (`HISTFAAA...`) and its interval log.

Values are nanoseconds from 1 to an hour with 3 significant digits; longer times count as an hour.
The source is a `Histogram`, so that a decoded percentile is within 0.5 % of the sample: 0.4 % of
the source and 0.1 % of the encoding. The intervals of a log come from the timeline, which is
coarser: within 6.4 %, the longest time of each within 0.1 %.

The encoding: a big-endian cookie and length before zlib-compressed contents, all in base64. The
contents are a header and the counts, as ZigZag LEB128 numbers in the order of their cells; a
negative number represents that many empty cells. Source: "Encoded Histogram format" in the wiki
of HdrHistogram.NET; for the log, the Javadoc of HdrHistogram's HistogramLogWriter.
"""

import base64
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Histogram, Ints, bucket_edges_ns
from straingauge.recording.timeline import COARSE_EDGES_NS, SERVED, Timeline

_LEAST_NS: Final = 1
_MOST_NS: Final = 3_600_000_000_000
_DIGITS: Final = 3
# Two cells for each unit of the last digit, rounded up to a power of two: each of the first 2048
# values has a cell, each octave after them has 1024.
_OCTAVE_BITS: Final = 10

_ENVELOPE: Final = struct.Struct(">II")  # cookie, length of the compressed contents
_ENVELOPE_COOKIE: Final = 0x1C849314
# Cookie, length of the counts, index offset, digits, smallest and largest value, value ratio.
_HEADER: Final = struct.Struct(">IIIIQQd")
_HEADER_COOKIE: Final = 0x1C849313

_LEGEND: Final = (
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
)
_NOT_IN_A_TAG: Final = re.compile(r"[\s,%]")


class Interval(NamedTuple):
    """One line of an interval log.

    Attributes:
        start_s: Time since the start of the log.
        tag: The tag; empty for none.
        length_s: Its duration.
        longest_ms: The longest time in it.
        payload: Its histogram, as returned by `encode`.
    """

    start_s: float
    tag: str
    length_s: float
    longest_ms: float
    payload: str

    def __str__(self) -> str:
        times = f"{self.start_s:.3f},{self.length_s:.3f},{self.longest_ms:.3f}"
        # The format forbids spaces and commas in a tag.
        tag = _NOT_IN_A_TAG.sub(lambda found: quote(found[0], safe=""), self.tag)
        return f"{f'Tag={tag},' if tag else ''}{times},{self.payload}\n"


def encode(histogram: Histogram) -> str:
    """Encode a histogram as HdrHistogram V2, compressed, base64."""
    if histogram.max_ns is None:
        return _payload(Counter())
    edges_ns = bucket_edges_ns(np.arange(histogram.counts.size + 1))
    return _payload(_times(histogram.counts, edges_ns, histogram.max_ns))


def decode(payload: str) -> tuple[Ints, Ints]:
    """Decode a histogram: times in nanoseconds, in order, and the count of each.

    Each time is the middle of its cell.

    Raises:
        ValueError: The payload is not a histogram in this encoding with 3 digits.
    """
    try:
        envelope = base64.b64decode(payload, validate=True)
        cookie, length = _ENVELOPE.unpack_from(envelope)
        contents = zlib.decompress(envelope[_ENVELOPE.size : _ENVELOPE.size + length])
        header = _HEADER.unpack_from(contents)
    except (ValueError, zlib.error, struct.error) as error:
        raise ValueError(f"not a histogram of HdrHistogram's V2 encoding: {error}") from error
    if (cookie, header[0], header[3]) != (_ENVELOPE_COOKIE, _HEADER_COOKIE, _DIGITS):
        raise ValueError("not a histogram of HdrHistogram's V2 encoding with 3 digits")
    cells, counts, following = [], [], 0
    for number in _numbers(contents[_HEADER.size :]):
        if number > 0:
            cells.append(following)
            counts.append(number)
        following += 1 if number >= 0 else -number
    cell = np.array(cells, dtype=np.int64)
    octave = np.maximum((cell >> _OCTAVE_BITS) - 1, 0)
    middles_ns = ((cell - (octave << _OCTAVE_BITS)) << octave) + ((1 << octave) >> 1)
    return middles_ns, np.array(counts, dtype=np.int64)


def log(intervals: Iterable[Interval], started_at_s: float) -> Iterator[str]:
    """Yield the lines of an HdrHistogram interval log, V1.3.

    A tag has `%20` for a space; `urllib.parse.unquote` gives it as it was.

    Args:
        intervals: in any order.
        started_at_s: what their starts count from, in seconds since the epoch.
    """
    date = datetime.fromtimestamp(started_at_s, UTC).isoformat(timespec="milliseconds")
    yield "#[Histogram log format version 1.3]\n"
    yield f"#[StartTime: {started_at_s:.3f} (seconds since epoch), {date}]\n"
    yield f"#[BaseTime: {started_at_s:.3f} (seconds since epoch)]\n"
    yield _LEGEND
    yield from map(str, sorted(intervals))  # readers rely on the order of time


def intervals(timeline: Timeline, tag: str = "") -> Iterator[Interval]:
    """Yield the response times of each slot with a response."""
    width_s = timeline.width_s
    for slot in np.flatnonzero(timeline.sums[:, SERVED]).tolist():
        longest_ns = int(timeline.longest_ns[slot])
        times = _times(timeline.histograms.table[slot], COARSE_EDGES_NS, longest_ns)
        yield Interval(slot * width_s, tag, width_s, longest_ns / 1e6, _payload(times))


def _times(
    counts: NDArray[np.integer], edges_ns: NDArray[np.float64], longest_ns: int
) -> Counter[int]:
    """Count the times: the middle of each bucket, and the exact longest time."""
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
    header = _HEADER.pack(_HEADER_COOKIE, len(numbers), 0, _DIGITS, _LEAST_NS, _MOST_NS, 1.0)
    contents = zlib.compress(header + numbers)
    return base64.b64encode(_ENVELOPE.pack(_ENVELOPE_COOKIE, len(contents)) + contents).decode()


def _cell(time_ns: int) -> int:
    """Return the cell of a time: each octave has 1024 equal cells."""
    octave = max(0, time_ns.bit_length() - (_OCTAVE_BITS + 1))
    return (octave << _OCTAVE_BITS) + (time_ns >> octave)


def _number(value: int) -> bytes:
    """Encode as ZigZag LEB128. The limit of nine bytes only matters beyond 2**55 counts."""
    rest = 2 * value if value >= 0 else -2 * value - 1
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _numbers(encoded: bytes) -> Iterator[int]:
    """Decode the numbers that `_number` encoded."""
    value = shift = 0
    for byte in encoded:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield (value >> 1) ^ -(value & 1)
            value = shift = 0
