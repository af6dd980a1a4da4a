r"""Records as bytes: a magic word, a JSON header, then plain little-endian arrays.

    b"SGREC\x01"   magic and format version
    uint32          length of the header, in bytes
    header          JSON: the small figures of each series and, in order, the length of each array
    arrays          int64, back to back

Version history
    1   first
    2   each series also has its parts, its slowest requests and its pulse

Histograms are written sparsely, as bucket numbers and counts. Nothing is ever executed on reading,
and equal records give equal bytes.
"""

import json
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, Final

import numpy as np

from straingauge.histogram import BUCKETS, Histogram, Ints
from straingauge.record.parts import Part, Parts
from straingauge.record.pulse import COLUMNS as PULSE_COLUMNS
from straingauge.record.pulse import Pulse
from straingauge.record.series import Example, Series
from straingauge.record.slowest import Slow
from straingauge.record.timeline import COARSE_BUCKETS, COLUMNS, Timeline

_MAGIC: Final = b"SGREC"
_VERSION: Final = 2
_LENGTH: Final = struct.Struct("<I")
_INT64: Final = np.dtype("<i8")


class RecordFormatError(ValueError):
    """These bytes are no record, or one that this version cannot read."""


def encode(series: dict[tuple[str, str], Series]) -> bytes:
    """All series as bytes."""
    arrays: list[Ints] = []
    entries = [[*key, _series_header(series[key], arrays)] for key in sorted(series)]
    header = json.dumps(
        {"series": entries, "arrays": [array.size for array in arrays]}, separators=(",", ":")
    ).encode()
    body = [np.ascontiguousarray(array, dtype=_INT64).tobytes() for array in arrays]
    return b"".join([_MAGIC, bytes([_VERSION]), _LENGTH.pack(len(header)), header, *body])


def decode(data: bytes) -> dict[tuple[str, str], Series]:
    """The series that `encode` wrote.

    Raises:
        RecordFormatError: these bytes are no record, or one of another version.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        raise RecordFormatError("this is no straingauge record")
    version = data[len(_MAGIC) : len(_MAGIC) + 1]
    if version != bytes([_VERSION]):
        raise RecordFormatError(f"record of version {version.hex()}, this reads {_VERSION}")
    try:
        start = len(_MAGIC) + 1
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        header = json.loads(data[start : start + length])
        take = _taker(np.frombuffer(data[start + length :], dtype=_INT64), header["arrays"])
        return {
            (phase, endpoint): _series(entry, take) for phase, endpoint, entry in header["series"]
        }
    except (struct.error, LookupError, TypeError, ValueError) as error:
        raise RecordFormatError(f"this record is damaged: {error}") from error


def _taker(values: Ints, sizes: list[int]) -> Callable[[], Ints]:
    """Hands out the arrays one after the other."""
    if sum(sizes) != values.size:
        raise ValueError(f"{values.size} figures where {sum(sizes)} belong")
    arrays = iter(np.split(values, np.cumsum(sizes)[:-1]))
    return lambda: next(arrays)


def _series_header(series: Series, arrays: list[Ints]) -> dict[str, Any]:
    return {
        "requests": series.requests,
        "statuses": sorted(series.statuses.items()),
        "errors": sorted(series.errors.items()),
        "examples": [astuple(example) for example in series.examples],
        "first_ns": series.first_ns,
        "last_ns": series.last_ns,
        "histograms": [_histogram_header(each, arrays) for each in series.histograms],
        "width_s": _timeline_header(series.timeline, arrays),
        "parts": _parts_header(series.parts, arrays),
        "slowest": [astuple(slow) for slow in series.slowest],
        "width_ms": _pulse_header(series.pulse, arrays),
    }


def _series(header: dict[str, Any], take: Callable[[], Ints]) -> Series:
    series = Series()
    series.requests = header["requests"]
    series.statuses = Counter(dict(header["statuses"]))
    series.errors = Counter(dict(header["errors"]))
    series.examples = [Example(*example) for example in header["examples"]]
    series.first_ns, series.last_ns = header["first_ns"], header["last_ns"]
    for histogram, entry in zip(series.histograms, header["histograms"], strict=True):
        _fill_histogram(histogram, entry, take)
    series.timeline = _timeline(header["width_s"], take)
    series.parts = _parts(header["parts"], take)
    series.slowest = [_slow(slow) for slow in header["slowest"]]
    series.pulse = _pulse(header["width_ms"], take)
    return series


def _histogram_header(histogram: Histogram, arrays: list[Ints]) -> list[int | None]:
    buckets = np.flatnonzero(histogram.counts)
    arrays += [buckets, histogram.counts[buckets]]
    return [
        histogram.count,
        histogram.sum_ns,
        histogram.min_ns,
        histogram.max_ns,
        histogram.overflow,
    ]


def _fill_histogram(histogram: Histogram, header: list[Any], take: Callable[[], Ints]) -> None:
    histogram.count, histogram.sum_ns, *extremes, histogram.overflow = header
    histogram.min_ns, histogram.max_ns = extremes
    buckets = take()
    histogram.counts[buckets] = take()
    if buckets.size and buckets[-1] >= BUCKETS:
        raise ValueError(f"bucket {buckets[-1]} of {BUCKETS}")


def _timeline_header(timeline: Timeline, arrays: list[Ints]) -> int:
    trimmed = timeline.copy()
    cells = np.flatnonzero(trimmed.heat)
    counts = trimmed.heat.ravel()[cells].astype(np.int64)
    arrays += [trimmed.longest_ns, trimmed.sums.ravel(), cells, counts]
    return trimmed.width_s


def _timeline(width_s: int, take: Callable[[], Ints]) -> Timeline:
    timeline = Timeline()
    timeline.width_s = width_s
    timeline.longest_ns = take().copy()
    slots = timeline.longest_ns.size
    timeline.sums = take().reshape(slots, COLUMNS).copy()
    heat = np.zeros(slots * COARSE_BUCKETS, dtype=np.int32)
    cells = take()
    heat[cells] = take()
    timeline.heat = heat.reshape(slots, COARSE_BUCKETS)
    return timeline


def _parts_header(parts: Parts, arrays: list[Ints]) -> list[Any]:
    filled = np.flatnonzero(parts.counts)
    arrays += [filled, parts.counts[filled], parts.sums_ns[filled]]
    header = []
    for name, part in sorted(parts.named.items()):
        header.append([name, _histogram_header(part.times, arrays)])
        arrays.append(part.sums_ns[filled])
    return header


def _parts(header: list[Any], take: Callable[[], Ints]) -> Parts:
    parts, filled = Parts(), take()
    parts.counts[filled] = take()
    parts.sums_ns[filled] = take()
    for name, histogram in header:
        part = parts.named[name] = Part()
        _fill_histogram(part.times, histogram, take)
        part.sums_ns[filled] = take()
    return parts


def _slow(figures: list[Any]) -> Slow:
    response_ns, service_ns, intended_ns, status, request_id, parts_ms = figures
    parts = tuple((name, duration_ms) for name, duration_ms in parts_ms)
    return Slow(response_ns, service_ns, intended_ns, status, request_id, parts)


def _pulse_header(pulse: Pulse, arrays: list[Ints]) -> int:
    counts = pulse.at(pulse.width_ms).ravel()
    cells = np.flatnonzero(counts)
    arrays += [cells, counts[cells]]
    return pulse.width_ms


def _pulse(width_ms: int, take: Callable[[], Ints]) -> Pulse:
    pulse, cells = Pulse(), take()
    pulse.width_ms = width_ms
    slots = int(cells[-1]) // PULSE_COLUMNS + 1 if cells.size else 0
    counts = np.zeros(slots * PULSE_COLUMNS, dtype=np.int64)
    counts[cells] = take()
    pulse.counts = counts.reshape(slots, PULSE_COLUMNS)
    return pulse
