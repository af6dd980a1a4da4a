"""The record of a whole run."""

from typing import Self

from straingauge.recording import codec
from straingauge.recording.series import Series


class Record:
    """All series of a run, by phase and endpoint.

    A phase may have segments, of the name "PHASE@SECONDS" and beginning so long after its start;
    they are parts of it, and asking for the phase gives all of it.

    Attributes:
        series: by (phase or segment, endpoint).
    """

    __slots__ = ("series",)

    def __init__(self) -> None:
        self.series: dict[tuple[str, str], Series] = {}

    def merge(self, *others: "Record") -> "Record":
        """A new record of all these together: lossless, in any order and grouping."""
        merged = Record()
        for record in (self, *others):
            for key, series in record.series.items():
                merged.series.setdefault(key, Series()).merge(series)
        return merged

    @property
    def phases(self) -> list[str]:
        """The phases in which anything was measured."""
        return sorted({phase_of(name) for name, _ in self.series})

    def endpoints(self, phase: str) -> dict[str, Series]:
        """The series of a phase by endpoint, in the order of their names."""
        parts: dict[str, list[Series]] = {}
        for name, endpoint in sorted(self.series):
            if phase_of(name) == phase:
                parts.setdefault(endpoint, []).append(self.series[name, endpoint])
        return {name: _joined(parts[name]) for name in sorted(parts)}

    def requests(self, phase: str) -> int:
        """How many requests there were in a phase."""
        counts = (
            series.requests for (name, _), series in self.series.items() if phase_of(name) == phase
        )
        return sum(counts)

    def total(self, phase: str) -> Series:
        """All endpoints of a phase as one series."""
        total = Series()
        for series in self.endpoints(phase).values():
            total.merge(series)
        return total

    def to_bytes(self) -> bytes:
        """A versioned, self-contained encoding; equal records have equal bytes."""
        return codec.encode(self.series)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The record that `to_bytes` encoded.

        Raises:
            RecordFormatError: these bytes are no record, or one of another version.
        """
        record = cls()
        record.series = codec.decode(data)
        return record

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]  # it changes


def phase_of(name: str) -> str:
    """The phase that a series of this name belongs to, itself or as a segment."""
    return name.partition("@")[0]


def _joined(parts: list[Series]) -> Series:
    """All these as one series; the living one where there is but one."""
    if len(parts) == 1:
        return parts[0]
    joined = Series()
    for part in parts:
        joined.merge(part)
    return joined
