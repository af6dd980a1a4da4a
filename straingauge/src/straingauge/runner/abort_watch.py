"""The watch over running loads that ends those whose abort rules demand it."""

import time
from collections.abc import Callable
from typing import Final

from straingauge.abort import AbortEvaluator, RunTotals
from straingauge.number_text import plain
from straingauge.verdict import Thresholds
from straingauge.workers import Ending, MergedReports
from straingauge.workers.merge import merge_reports

MAX_CPU_SHARE: Final = 0.02  # of the controller's time: it runs on the machine that sends

EndLoad = Callable[[str, Ending], bool]
"""Ends the load of a test; see `straingauge.workers.Coordinator.end_load`."""


class AbortWatch:
    """Evaluates the abort rules of running loads.

    Args:
        say: Called with a line for the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._evaluators: dict[tuple[str, int], AbortEvaluator] = {}
        self._next_s = 0.0

    def watch(self, test: str, merged: MergedReports, end_load: EndLoad) -> None:
        """Evaluate a load by the latest reports, at most twice a second, and end it if it must."""
        now_ns, began_s = time.monotonic_ns(), time.monotonic()
        metadata, start_ns = merged.metadata, merged.start_ns
        is_running = start_ns is not None and merged.load_end_ns is None and not merged.ending
        if metadata is None or start_ns is None or not is_running or now_ns <= start_ns:
            return
        key = test, start_ns
        if key not in self._evaluators:
            thresholds = Thresholds.read(metadata.thresholds_file)
            self._evaluators = {
                key: AbortEvaluator(thresholds, metadata.name, metadata.abort_dead_s)
            }
            self._next_s = 0.0
        evaluator = self._evaluators[key]
        if not evaluator.is_needed or began_s < self._next_s:
            return
        ending = evaluator.add(RunTotals.of(merged, merge_reports(merged.reports), now_ns))
        self._next_s = began_s + (time.monotonic() - began_s) / MAX_CPU_SHARE
        if ending is not None and end_load(test, ending):
            self._say(
                f"load {metadata.name} is aborted after {plain(ending.at_s, 3)} s: {ending.message}"
            )
