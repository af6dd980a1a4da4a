"""Numbers with their error, from the merged record alone."""

from straingauge.summary.metrics import endpoints, metrics
from straingauge.summary.quantile import Quantile, holds, quantile, samples_needed
from straingauge.summary.trend import Trend, degradation, theil_sen

__all__ = [
    "Quantile",
    "Trend",
    "degradation",
    "endpoints",
    "holds",
    "metrics",
    "quantile",
    "samples_needed",
    "theil_sen",
]
