"""Compact tables of counts: they grow in rows with time, and in integer size with the counts."""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Ints

_WIDTHS: Final = (np.uint16, np.uint32, np.int64)
_MOST: Final = {np.dtype(width): int(np.iinfo(width).max) for width in _WIDTHS}


class CounterTable:
    """A row for each slot of time, in 16-bit integers until one count needs more.

    Attributes:
        table: The counts; convert them with `astype` before subtracting.
        max_rows: The limit for allocating rows in advance.
    """

    __slots__ = ("_bound", "max_rows", "table")

    def __init__(self, columns: int, max_rows: int) -> None:
        self.max_rows = max_rows
        self.table: NDArray[np.integer[Any]] = np.zeros((0, columns), dtype=_WIDTHS[0])
        self._bound = 0  # upper bound of all counts, which saves computing their maximum

    def add(self, cells: Ints) -> None:
        """Add one to each of these cells, numbered row by row; the rows must exist."""
        self._reserve(cells.size)
        # A value of another type would be converted, which takes twenty times as long.
        np.add.at(self.table.reshape(-1), cells, self.table.dtype.type(1))

    def merge(self, table: NDArray[np.integer[Any]]) -> None:
        """Add another table with slots of the same width."""
        if len(table):
            self.make_room(len(table))
            self._reserve(int(table.max()))
            mine = self.table[: len(table)]
            np.add(mine, table, out=mine, casting="unsafe")  # the sums fit

    def set(self, cells: Ints, counts: NDArray[np.integer[Any]]) -> None:
        """Set cells of an empty table; the rows must exist."""
        self._reserve(int(counts.max(initial=0)))
        self.table.reshape(-1)[cells] = counts

    def join_pairs(self) -> None:
        """Add up each pair of neighbouring rows."""
        self._reserve(int(self.table.max(initial=0)))
        paired = self.table[0::2].copy()
        paired[: len(self.table) // 2] += self.table[1::2]
        self.table = paired

    def make_room(self, rows: int) -> None:
        """Allocate at least this many rows."""
        have, columns = self.table.shape
        if rows > have:
            room = max(rows, min(2 * have, self.max_rows))
            # Not padded: zeros from the system take no memory until they are written.
            table = np.zeros((room, columns), dtype=self.table.dtype)
            table[:have] = self.table
            self.table = table

    def copy(self, rows: int) -> Self:
        """Return an independent copy of the first rows."""
        copy = type(self)(self.table.shape[1], self.max_rows)
        copy.merge(self.table[:rows])
        return copy

    def _reserve(self, more: int) -> None:
        """Make the integers large enough for any count to grow by `more`."""
        if self._bound + more > _MOST[self.table.dtype]:
            self._bound = int(self.table.max(initial=0))
            needed = self._bound + more
            width = next(each for each in _WIDTHS if needed <= np.iinfo(each).max)
            self.table = self.table.astype(width, copy=False)
        self._bound += more
