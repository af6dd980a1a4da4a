"""The metrics of a running load in the text format of Prometheus.

Source: "Exposition formats", text format 0.0.4, in the documentation of Prometheus.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from straingauge.exports.metric_family import Labels, MetricFamily, metric_families
from straingauge.exports.second_counter import SecondCounter
from straingauge.histogram import BUCKETS, Histogram, bucket_edges_ns
from straingauge.workers import MergedReports

MEDIA_TYPE: Final = "text/plain; version=0.0.4"
MAX_SHARE: Final = 0.05  # of the time: it runs on the machine that sends

LIMITS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0),
)
"""The defaults of Prometheus's clients, with shorter and longer times.

A time within 0.4 % of a limit may count on the other side, as the histogram's buckets do.
"""


class MetricsPage:
    """The page that Prometheus reads, made only when it is asked for.

    Args:
        merged: Returns the latest reports of the load; None before it.
    """

    def __init__(self, merged: Callable[[], MergedReports | None]) -> None:
        self._merged = merged
        self._lock = threading.Lock()
        self._text = ""
        self._next_s = 0.0

    def text(self) -> str:
        """Return the metrics so far; empty before the load has begun."""
        with self._lock:
            began_s = time.monotonic()
            if began_s >= self._next_s:
                merged = self._merged()
                total = None if merged is None else SecondCounter().count(merged)
                self._text = "" if total is None else metrics_text(metric_families(total))
                self._next_s = began_s + (time.monotonic() - began_s) / MAX_SHARE
            return self._text


def metrics_text(families: list[MetricFamily]) -> str:
    """Render metrics in the text format."""
    return "".join(line for each in families for line in _lines(each))


def _lines(family: MetricFamily) -> Iterator[str]:
    name = family.prometheus_name
    yield f"# HELP {name} {family.description}\n"
    yield f"# TYPE {name} {family.kind}\n"
    for labels, value in family.points:
        if not isinstance(value, Histogram):
            yield f"{name}{_braces(labels)} {value}\n"
            continue
        for limit_s, count in zip(LIMITS_S, _cumulative(value), strict=True):
            yield f"{name}_bucket{_braces({**labels, 'le': f'{limit_s:g}'})} {count}\n"
        yield f"{name}_bucket{_braces({**labels, 'le': '+Inf'})} {value.count}\n"
        yield f"{name}_sum{_braces(labels)} {value.sum_ns / 1e9}\n"
        yield f"{name}_count{_braces(labels)} {value.count}\n"


def _braces(labels: Labels) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _cumulative(times: Histogram) -> list[int]:
    """Return the number of times up to each limit."""
    return [int(count) for count in np.append(0, np.cumsum(times.counts))[_UP_TO]]


def _up_to() -> "np.typing.NDArray[np.intp]":
    """Return the number of buckets whose middle is at most each limit."""
    edges_ns = bucket_edges_ns(np.arange(BUCKETS + 1))
    middles_ns = (edges_ns[:-1] + edges_ns[1:]) / 2
    return np.searchsorted(middles_ns, np.array(LIMITS_S) * 1e9, side="right")


_UP_TO: Final = _up_to()
