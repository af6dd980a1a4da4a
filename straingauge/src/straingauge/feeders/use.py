"""Use of a feeder in one load."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class FeederUse:
    """Use of a feeder's rows in one load.

    Attributes:
        name: Name of the feeder: its file's, with a number from the second one of that file.
        rows: Number of rows of the file.
        uses: How often a row was used.
        order: "sequential", "random" or "unique".
        seed: Seed of a random order.
        on_end: What happens after the last row: "stop", "repeat" or "error".
        delimiter: Delimiter of a CSV file; None for other formats.
        ended: A journey asked for a row after the last one.
    """

    name: str
    rows: int
    uses: int
    order: str
    seed: int
    on_end: str
    delimiter: str | None
    ended: bool

    @property
    def rows_used(self) -> int:
        """Number of different rows that were used."""
        from straingauge.feeders.order import distinct_rows

        return distinct_rows(self.order, self.seed, self.uses, self.rows)


def merge_uses(processes: Iterable[Iterable[FeederUse]]) -> list[FeederUse]:
    """Merge the uses of all processes of one load, by name."""
    merged: dict[str, FeederUse] = {}
    for uses in processes:
        for use in uses:
            known = merged.get(use.name)
            if known is not None:
                use = replace(use, uses=known.uses + use.uses, ended=known.ended or use.ended)  # noqa: PLW2901  merged
            merged[use.name] = use
    return [merged[name] for name in sorted(merged)]
