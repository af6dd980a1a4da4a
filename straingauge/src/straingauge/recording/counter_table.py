"""Tables of counts in little room: rows come as time goes on, wider numbers as counts grow."""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Ints

_WIDTHS: Final = (np.uint16, np.uint32, np.int64)
_MOST: Final = {np.dtype(width): int(np.iinfo(width).max) for width in _WIDTHS}


class CounterTable:
    """A row a slot of time, in numbers of 16 bits until one of them needs more.

    Attributes:
        table: the counts; widen it, as by `astype`, before subtracting.
        most_rows: how many it makes room for ahead of need.
    """

    __slots__ = ("_bound", "most_rows", "table")

    def __init__(self, columns: int, most_rows: int) -> None:
        self.most_rows = most_rows
        self.table: NDArray[np.integer[Any]] = np.zeros((0, columns), dtype=_WIDTHS[0])
        self._bound = 0  # no count is greater; looking at all of them each time would take long

    def add(self, cells: Ints) -> None:
        """Count one in each of these cells, numbered row by row, in rows there is room for."""
        self._reserve(cells.size)
        # A number of another type would cost a conversion and twenty times as long.
        np.add.at(self.table.reshape(-1), cells, self.table.dtype.type(1))

    def merge(self, table: NDArray[np.integer[Any]]) -> None:
        """Count what another table of as wide slots counted."""
        if len(table):
            self.make_room(len(table))
            self._reserve(int(table.max()))
            mine = self.table[: len(table)]
            np.add(mine, table, out=mine, casting="unsafe")  # there is room for the sums

    def set(self, cells: Ints, counts: NDArray[np.integer[Any]]) -> None:
        """Put counts into an empty table's cells, in rows there is room for."""
        self._reserve(int(counts.max(initial=0)))
        self.table.reshape(-1)[cells] = counts

    def join_pairs(self) -> None:
        """Join each two neighbouring rows."""
        self._reserve(int(self.table.max(initial=0)))
        paired = self.table[0::2].copy()
        paired[: len(self.table) // 2] += self.table[1::2]
        self.table = paired

    def make_room(self, rows: int) -> None:
        """Have at least so many rows."""
        have, columns = self.table.shape
        if rows > have:
            room = max(rows, min(2 * have, self.most_rows))
            # Not padded: of zeros from the system, those never written to take no memory.
            table = np.zeros((room, columns), dtype=self.table.dtype)
            table[:have] = self.table
            self.table = table

    def copy(self, rows: int) -> Self:
        """An independent copy of the first rows."""
        copy = type(self)(self.table.shape[1], self.most_rows)
        copy.merge(self.table[:rows])
        return copy

    def _reserve(self, more: int) -> None:
        """Have numbers so wide that any can grow by so much."""
        if self._bound + more > _MOST[self.table.dtype]:
            self._bound = int(self.table.max(initial=0))
            needed = self._bound + more
            width = next(each for each in _WIDTHS if needed <= np.iinfo(each).max)
            self.table = self.table.astype(width, copy=False)
        self._bound += more
