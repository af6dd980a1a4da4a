r"""Records as bytes: a magic word, a JSON header, then plain little-endian arrays.

    b"SGREC\x01"   magic and format version
    uint32          length of the header, in bytes
    header          JSON: the scalar values of each series and, in order, the length and type of
                    each array
    arrays          back to back, each of the smallest type that holds its values

Tables are sparse: the distance of each non-zero cell from the previous one, and the values. Reading
executes nothing, and equal records have equal bytes.
"""

import json
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, fields
from operator import attrgetter
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import BUCKETS, Histogram, Ints
from straingauge.recording.error_timeline import MAX_SLOTS as ERROR_SLOTS
from straingauge.recording.error_timeline import ErrorTimeline
from straingauge.recording.in_flight import COLUMNS as IN_FLIGHT_COLUMNS
from straingauge.recording.in_flight import MAX_SLOTS, InFlightTimeline
from straingauge.recording.measurements import Measurements
from straingauge.recording.sampled_requests import SampledRequest
from straingauge.recording.series import Example, Series
from straingauge.recording.server_timings import MAX_SLOTS as SERVER_TIMING_SLOTS
from straingauge.recording.server_timings import ServerTiming, ServerTimings
from straingauge.recording.slow_requests import SlowRequest
from straingauge.recording.timeline import COARSE_BUCKETS, COLUMNS, Timeline
from straingauge.recording.transactions import TransactionSeries

_MAGIC: Final = b"SGREC"
_VERSION: Final = 1
_LENGTH: Final = struct.Struct("<I")
_TYPES: Final = ("<u1", "<u2", "<u4", "<i8")
_BOUNDS: Final = [(kind, int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in _TYPES]
_SLOW: Final = attrgetter(
    *(each.name for each in fields(SlowRequest))
)  # astuple would take half of the time

_Array: TypeAlias = NDArray[np.integer[Any]]
_Take: TypeAlias = Callable[[], _Array]


class RecordFormatError(ValueError):
    """The bytes are not a record, or one of another version."""


Key: TypeAlias = tuple[str, str]
"""Phase, and endpoint or name of a transaction."""


def encode(series: dict[Key, Series], transactions: dict[Key, TransactionSeries]) -> bytes:
    """Encode all series."""
    arrays: list[_Array] = []
    entries = [[*key, _series_header(series[key], arrays)] for key in sorted(series)]
    ended = [
        [*key, _transactions_header(transactions[key], arrays)] for key in sorted(transactions)
    ]
    kinds = [_smallest_type(array) for array in arrays]
    described = [[array.size, kind] for array, kind in zip(arrays, kinds, strict=True)]
    header = json.dumps(
        {"series": entries, "transactions": ended, "arrays": described}, separators=(",", ":")
    ).encode()
    body = [array.astype(kind).tobytes() for array, kind in zip(arrays, kinds, strict=True)]
    return b"".join([_MAGIC, bytes([_VERSION]), _LENGTH.pack(len(header)), header, *body])


def decode(data: bytes) -> tuple[dict[Key, Series], dict[Key, TransactionSeries]]:
    """Decode the series that `encode` wrote.

    Raises:
        RecordFormatError: The bytes are not a record, or one of another version.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        raise RecordFormatError("not a straingauge record")
    version = data[len(_MAGIC) : len(_MAGIC) + 1]
    if version != bytes([_VERSION]):
        raise RecordFormatError(f"record of version {version.hex()}, expected {_VERSION}")
    try:
        start = len(_MAGIC) + 1
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        header = json.loads(data[start : start + length])
        take = _taker(data, start + length, header["arrays"])
        series = {
            (phase, endpoint): _series(entry, take) for phase, endpoint, entry in header["series"]
        }
        transactions = {
            (phase, name): _transactions(entry, take)
            for phase, name, entry in header["transactions"]
        }
    except (struct.error, LookupError, TypeError, ValueError) as error:
        raise RecordFormatError(f"the record is damaged: {error}") from error
    return series, transactions


def _smallest_type(array: _Array) -> str:
    """Return the smallest type that holds all values."""
    least, most = int(array.min(initial=0)), int(array.max(initial=0))
    return next(kind for kind, low, high in _BOUNDS if low <= least and most <= high)


def _taker(data: bytes, start: int, kinds: list[list[Any]]) -> _Take:
    """Return a function that returns one array after the other."""
    found = []
    for size, kind in kinds:
        if kind not in _TYPES:
            raise ValueError(f"values of type {kind}")
        found.append(np.frombuffer(data, kind, size, start))
        start += found[-1].nbytes
    if start != len(data):
        raise ValueError(f"{len(data)} bytes, expected {start}")
    arrays = iter(found)
    return lambda: next(arrays)


def _put_filled(values: _Array, arrays: list[_Array]) -> Ints:
    """Append the non-zero values and their positions; return the positions."""
    flat = values.reshape(-1)
    cells = np.flatnonzero(flat)
    arrays += [np.diff(cells, prepend=0), flat[cells]]
    return cells


def _take_filled(take: _Take, most: int) -> tuple[Ints, _Array]:
    """Return the positions of the values, which are below `most`, and the values."""
    cells = np.cumsum(take(), dtype=np.int64)
    if cells.size and not 0 <= cells.min() <= cells.max() < most:
        raise ValueError(f"cell {cells.max()} of {most}")
    return cells, take()


def _series_header(series: Series, arrays: list[_Array]) -> dict[str, Any]:
    return {
        "requests": series.requests,
        "statuses": sorted(series.statuses.items()),
        "errors": sorted(series.errors.items()),
        "examples": [astuple(example) for example in series.examples],
        "first_ns": series.first_ns,
        "last_ns": series.last_ns,
        "histograms": [_histogram_header(each, arrays) for each in series.histograms],
        "width_s": _timeline_header(series.timeline, arrays),
        "errors_over_time": _errors_header(series.error_timeline, arrays),
        "parts": _parts_header(series.server_timings, arrays),
        "slowest": [_SLOW(slow) for slow in series.slowest],
        "sampled": [astuple(sampled) for sampled in series.sampled],
        "width_ms": _in_flight_header(series.in_flight, arrays),
        "streams": _measurements_header(series.streams, arrays),
        "websockets": _measurements_header(series.websockets, arrays),
    }


def _series(header: dict[str, Any], take: _Take) -> Series:
    series = Series()
    series.requests = header["requests"]
    series.statuses = Counter(dict(header["statuses"]))
    series.errors = Counter(dict(header["errors"]))
    series.examples = [Example(*example) for example in header["examples"]]
    series.first_ns, series.last_ns = header["first_ns"], header["last_ns"]
    for histogram, entry in zip(series.histograms, header["histograms"], strict=True):
        _fill_histogram(histogram, entry, take)
    series.timeline = _timeline(header["width_s"], take)
    series.error_timeline = _errors(header["errors_over_time"], take)
    series.server_timings = _parts(header["parts"], take)
    series.slowest = [_slow(slow) for slow in header["slowest"]]
    series.sampled = [SampledRequest(*sampled) for sampled in header["sampled"]]
    series.in_flight = _in_flight(header["width_ms"], take)
    series.streams = _measurements(header["streams"], take)
    series.websockets = _measurements(header["websockets"], take)
    return series


def _transactions_header(series: TransactionSeries, arrays: list[_Array]) -> list[Any]:
    counts = [series.completed, series.failed, series.abandoned]
    return [counts, [_histogram_header(each, arrays) for each in series.histograms]]


def _transactions(header: list[Any], take: _Take) -> TransactionSeries:
    series = TransactionSeries()
    (series.completed, series.failed, series.abandoned), histograms = header
    for histogram, entry in zip(series.histograms, histograms, strict=True):
        _fill_histogram(histogram, entry, take)
    return series


def _histogram_header(histogram: Histogram, arrays: list[_Array]) -> list[int | None]:
    _put_filled(histogram.counts, arrays)
    return [
        histogram.count,
        histogram.sum_ns,
        histogram.min_ns,
        histogram.max_ns,
        histogram.overflow,
    ]


def _fill_histogram(histogram: Histogram, header: list[Any], take: _Take) -> None:
    histogram.count, histogram.sum_ns, *extremes, histogram.overflow = header
    histogram.min_ns, histogram.max_ns = extremes
    buckets, counts = _take_filled(take, BUCKETS)
    histogram.counts[buckets] = counts


def _timeline_header(timeline: Timeline, arrays: list[_Array]) -> int:
    used = timeline.used
    arrays += [timeline.longest_ns[:used], *timeline.sums[:used].T]
    _put_filled(timeline.histograms.table[:used], arrays)
    return timeline.width_s


def _timeline(width_s: int, take: _Take) -> Timeline:
    timeline = Timeline()
    timeline.width_s = width_s
    timeline.longest_ns = take().astype(np.int64)
    timeline.sums = np.stack([take() for _ in range(COLUMNS)], axis=1).astype(np.int64)
    slots = len(timeline.sums)
    timeline.histograms.make_room(slots)
    timeline.histograms.set(*_take_filled(take, slots * COARSE_BUCKETS))
    return timeline


def _errors_header(timeline: ErrorTimeline, arrays: list[_Array]) -> list[Any]:
    for _, slots in sorted(timeline.kinds.items()):
        _put_filled(slots, arrays)
    return [timeline.width_s, sorted(timeline.kinds)]


def _errors(header: list[Any], take: _Take) -> ErrorTimeline:
    timeline = ErrorTimeline()
    timeline.width_s, names = header
    for name in names:
        filled, counts = _take_filled(take, ERROR_SLOTS)
        slots = timeline.kinds[name] = np.zeros(int(filled.max(initial=-1)) + 1, dtype=np.int64)
        slots[filled] = counts
    return timeline


def _parts_header(parts: ServerTimings, arrays: list[_Array]) -> list[Any]:
    filled = _put_filled(parts.counts, arrays)
    arrays.append(parts.sums_ns[filled])
    named = []
    for name, part in sorted(parts.parts.items()):
        named.append([name, _histogram_header(part.times, arrays)])
        arrays.append(part.sums_ns[filled])
        _put_filled(part.slots_ns, arrays)
    return [parts.width_s, named]


def _parts(header: list[Any], take: _Take) -> ServerTimings:
    parts = ServerTimings()
    parts.width_s, named = header
    filled, counts = _take_filled(take, BUCKETS)
    parts.counts[filled] = counts
    parts.sums_ns[filled] = take()
    for name, histogram in named:
        part = parts.parts[name] = ServerTiming()
        _fill_histogram(part.times, histogram, take)
        part.sums_ns[filled] = take()
        slots, sums_ns = _take_filled(take, SERVER_TIMING_SLOTS)
        part.slots_ns[slots] = sums_ns
    return parts


def _measurements_header(measured: Measurements, arrays: list[_Array]) -> list[Any]:
    times = sorted(measured.times.items())
    return [
        sorted(measured.counts.items()),
        [[name, _histogram_header(each, arrays)] for name, each in times],
    ]


def _measurements(header: list[Any], take: _Take) -> Measurements:
    measured = Measurements()
    counts, times = header
    measured.counts.update(dict(counts))
    for name, entry in times:
        _fill_histogram(measured.histogram(name), entry, take)
    return measured


def _slow(values: list[Any]) -> SlowRequest:
    response_ns, service_ns, intended_ns, status, request_id, trace_id, parts_ms = values
    parts = tuple((name, duration_ms) for name, duration_ms in parts_ms)
    return SlowRequest(response_ns, service_ns, intended_ns, status, request_id, trace_id, parts)


def _in_flight_header(in_flight: InFlightTimeline, arrays: list[_Array]) -> int:
    _put_filled(in_flight.counts.table[: in_flight.used], arrays)
    return in_flight.width_ms


def _in_flight(width_ms: int, take: _Take) -> InFlightTimeline:
    in_flight = InFlightTimeline()
    in_flight.width_ms = width_ms
    cells, counts = _take_filled(take, MAX_SLOTS * IN_FLIGHT_COLUMNS)
    if cells.size:
        in_flight.counts.make_room(int(cells[-1]) // IN_FLIGHT_COLUMNS + 1)
    in_flight.counts.set(cells, counts)
    return in_flight
