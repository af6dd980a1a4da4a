"""The times of a recording: a part of the log, and seconds with many requests."""

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECOND_NS: Final = 1_000_000_000


def has_whole_seconds(at_ns: "NDArray[np.int64]") -> bool:
    """Return whether no time has a fraction of a second."""
    return not np.any(at_ns % SECOND_NS)


def spread_within_seconds(at_ns: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Spread the requests of each second evenly over it, in their order: k of n at k/n.

    Args:
        at_ns: Times in whole seconds, ascending.
    """
    _, first, counts = np.unique(at_ns, return_index=True, return_counts=True)
    rank = np.arange(len(at_ns)) - np.repeat(first, counts)
    return at_ns + rank * SECOND_NS // np.repeat(counts, counts)
