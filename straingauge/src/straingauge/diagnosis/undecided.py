"""Notes on growth that a run is too short to judge: a leak, or what every service does at first."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from straingauge.diagnosis.causes import CAUSES
from straingauge.diagnosis.causes.leaks import (
    COOLDOWN,
    MEMORY,
    MIN_FILES,
    MIN_SAMPLES,
    MIN_THREADS,
    samples_of_load,
)
from straingauge.diagnosis.result_view import ResultView
from straingauge.result.format.reason import Reason

# Loading modules and opening a pool take some MB, and a tenth of a large service's memory.
MIN_MB: Final = 10.0
MIN_MEMORY_SHARE: Final = 0.1
REPEAT: Final = "repeat with a run of some minutes: what fills stops growing, a leak does not"


def undecided(result: Mapping[str, Any]) -> list[Reason]:
    """Return a note for each resource that grew, stayed, and may or may not be leaked.

    Nothing is said where the rules for leaks decide: growth that is named as a leak, or a second
    half that is long enough and does not grow.

    Args:
        result: The content of a result file without its verdict.
    """
    view = ResultView(result)
    found = (_threads(view), _files(view), _memory(view))
    return [
        Reason("undecided_growth", "note", sentence, REPEAT) for each in found for sentence in each
    ]


def _threads(result: ResultView) -> Iterator[str]:
    grown = _remaining_growth(result, "threads")
    # Twice as many as a steady rise needs: an executor starts some in any load.
    if grown and grown[1] - grown[0] >= 2 * MIN_THREADS and not _is_named(result, "thread_leak"):
        yield _sentence("threads", *grown, "an executor that fills")


def _files(result: ResultView) -> Iterator[str]:
    grown = _remaining_growth(result, "open_files")
    clients = result.figure("configuration", "users")
    least = MIN_FILES + clients + result.figure("resources", "pool", "peak_in_use")
    if grown and grown[1] - grown[0] >= least and not _is_named(result, "file_leak"):
        yield _sentence("open files and sockets", *grown, "a pool of connections that fills")


def _remaining_growth(result: ResultView, resource: str) -> tuple[float, float] | None:
    """Return the number before the load and after it, if there are too few samples for a trend."""
    samples = samples_of_load(result, resource)
    remaining = result.number(*COOLDOWN, resource)
    if not samples or len(samples) >= MIN_SAMPLES or remaining is None:
        return None
    return samples[0][1], remaining


def _memory(result: ResultView) -> Iterator[str]:
    before_mb = result.number(*MEMORY, "initial_mb")
    after_mb = result.number(*COOLDOWN, "memory_mb")
    if before_mb is None or after_mb is None or _is_named(result, "memory_leak"):
        return
    has_stopped = bool(result.at(*MEMORY, "later_trend_mb_per_200_requests")) and not result.at(
        *MEMORY, "still_growing"
    )
    if after_mb - before_mb >= max(MIN_MB, MIN_MEMORY_SHARE * before_mb) and not has_stopped:
        yield _sentence("MB of memory", before_mb, after_mb, "a heap or a cache that fills")


def _is_named(result: ResultView, leak: str) -> bool:
    """Return whether a leak is a warning by itself."""
    found, least = CAUSES[leak].detect(result), CAUSES[leak].warns_from
    return found is not None and least is not None and found.confidence >= least


def _sentence(what: str, before: float, after: float, otherwise: str) -> str:
    return (
        f"cannot tell a leak from {otherwise}: {before:,.0f} {what} before the load and"
        f" {after:,.0f} after the cooldown, in a run that is too short to show a trend"
    )
