"""The end of a run before its time: thresholds with `abort` over the last seconds of the load."""

from straingauge.abort.evaluator import AbortEvaluator, RunTotals

__all__ = ["AbortEvaluator", "RunTotals"]
