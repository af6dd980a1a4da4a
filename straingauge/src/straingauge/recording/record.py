"""The record of a whole run."""

from collections.abc import Collection
from typing import Self

from straingauge.recording import codec
from straingauge.recording.endpoint_names import MAX_ENDPOINTS, OTHER, EndpointNames
from straingauge.recording.series import Series
from straingauge.recording.transactions import TransactionSeries


class Record:
    """All series of a run, by phase and endpoint.

    A phase may have segments, named "PHASE@SECONDS" after their start, or parts of scenarios, named
    "PHASE#SCENARIO"; the methods combine them.

    Attributes:
        series: By (phase or segment, endpoint).
        transactions: By (phase or segment, name).
    """

    __slots__ = ("series", "transactions")

    def __init__(self) -> None:
        self.series: dict[tuple[str, str], Series] = {}
        self.transactions: dict[tuple[str, str], TransactionSeries] = {}

    def merge(self, *others: "Record") -> "Record":
        """Merge records into a new one, without loss, in any order and grouping."""
        merged = Record()
        for record in (self, *others):
            for key, series in record.series.items():
                merged.series.setdefault(key, Series()).merge(series)
            for key, transactions in record.transactions.items():
                merged.transactions.setdefault(key, TransactionSeries()).merge(transactions)
        return merged

    def add(self, other: "Record", names: EndpointNames) -> None:
        """Add the series of another record, with endpoints beyond the limit under `OTHER`."""
        for (phase, endpoint), series in other.series.items():
            key = phase, names.fold(endpoint)
            self.series.setdefault(key, Series()).merge(series)
        known = {name for _, name in self.transactions}
        for (phase, name), transactions in other.transactions.items():
            folded = name if name in known or len(known) < MAX_ENDPOINTS else OTHER
            known.add(folded)
            key = phase, folded
            self.transactions.setdefault(key, TransactionSeries()).merge(transactions)

    @property
    def phases(self) -> list[str]:
        """The phases with measurements."""
        return sorted({phase_of(name) for name, _ in self.series})

    def endpoints(self, phase: str) -> dict[str, Series]:
        """Return the series of a phase by endpoint, ordered by name."""
        parts: dict[str, list[Series]] = {}
        for name, endpoint in sorted(self.series):
            if phase_of(name) == phase:
                parts.setdefault(endpoint, []).append(self.series[name, endpoint])
        return {name: _joined(parts[name]) for name in sorted(parts)}

    def transactions_of(self, phase: str) -> dict[str, TransactionSeries]:
        """Return the transactions of a phase by name, ordered."""
        found: dict[str, TransactionSeries] = {}
        for (segment, name), series in sorted(self.transactions.items(), key=lambda each: each[0]):
            if phase_of(segment) == phase:
                found.setdefault(name, TransactionSeries()).merge(series)
        return dict(sorted(found.items()))

    def of_scenarios(self, scenarios: Collection[str], phase: str = "main") -> "Record":
        """Return the part of a phase that these scenarios have; it shares the series."""
        part = Record()
        for (name, endpoint), series in self.series.items():
            if phase_of(name) == phase and scenario_of(name) in scenarios:
                part.series[name, endpoint] = series
        for (name, transaction), timed in self.transactions.items():
            if phase_of(name) == phase and scenario_of(name) in scenarios:
                part.transactions[name, transaction] = timed
        return part

    def requests(self, phase: str) -> int:
        """Return the number of requests of a phase."""
        counts = (
            series.requests for (name, _), series in self.series.items() if phase_of(name) == phase
        )
        return sum(counts)

    def total(self, phase: str) -> Series:
        """Merge all endpoints of a phase into one series."""
        total = Series()
        for series in self.endpoints(phase).values():
            total.merge(series)
        return total

    def to_bytes(self) -> bytes:
        """Encode the record; equal records have equal bytes."""
        return codec.encode(self.series, self.transactions)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a record.

        Raises:
            RecordFormatError: The bytes are not a record, or one of another version.
        """
        record = cls()
        record.series, record.transactions = codec.decode(data)
        return record

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]  # mutable


def phase_of(name: str) -> str:
    """Return the phase of a phase or segment."""
    return name.partition("@")[0].partition("#")[0]


def scenario_of(name: str) -> str:
    """Return the scenario of a part of a phase; empty if there is none."""
    return name.partition("#")[2]


def _joined(parts: list[Series]) -> Series:
    """Merge several series; a single one is returned as it is, not copied."""
    if len(parts) == 1:
        return parts[0]
    joined = Series()
    for part in parts:
        joined.merge(part)
    return joined
