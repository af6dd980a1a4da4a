"""Numbers with their error, from the merged record alone."""

from straingauge.summary.metrics import endpoints, metrics
from straingauge.summary.quantile import Quantile, holds, quantile, samples_needed
from straingauge.summary.trend import Trend, degradation, theil_sen
from straingauge.summary.warmup import Warmup, settle

__all__ = [
    "Quantile",
    "Trend",
    "Warmup",
    "degradation",
    "endpoints",
    "holds",
    "metrics",
    "quantile",
    "samples_needed",
    "settle",
    "theil_sen",
]
