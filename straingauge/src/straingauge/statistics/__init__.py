"""Statistics with confidence intervals, computed from the merged record."""

from straingauge.statistics.metrics import endpoints, metrics, transactions
from straingauge.statistics.quantile import Quantile, is_precise, quantile, samples_needed
from straingauge.statistics.throughput import Plan, throughput
from straingauge.statistics.trend import Trend, degradation, theil_sen
from straingauge.statistics.warmup import Warmup, split_warmup

__all__ = [
    "Plan",
    "Quantile",
    "Trend",
    "Warmup",
    "degradation",
    "endpoints",
    "is_precise",
    "metrics",
    "quantile",
    "samples_needed",
    "split_warmup",
    "theil_sen",
    "throughput",
    "transactions",
]
