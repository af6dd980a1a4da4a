"""Seconds of a load, from the reports of its processes."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from straingauge.exports.second import EndpointSecond, Second
from straingauge.histogram import Histogram, bucket_edges_ns
from straingauge.observe.observer import Sample
from straingauge.recording import EndpointNames, Record
from straingauge.recording.request_samples import RequestSample
from straingauge.recording.series import Series
from straingauge.workers import MergedReports, Report


class SecondCounter:
    """Counts what is new in the reports of one load, which each have everything so far.

    Args:
        now_s: Returns the Unix time in seconds.
        now_ns: Returns the instant of `time.monotonic_ns`.
    """

    def __init__(
        self,
        now_s: Callable[[], float] = time.time,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._now_s = now_s
        self._now_ns = now_ns
        self._names = EndpointNames()
        self._before: dict[str, tuple[list[Report], dict[str, EndpointSecond]]] = {}
        self._end_s = 0.0

    def count(self, merged: MergedReports) -> Second | None:
        """Return what these reports add to those before; None without a start or anything new."""
        metadata, start_ns = merged.metadata, merged.start_ns
        if metadata is None or start_ns is None:
            return None
        end_s = (max((each.at_ns for each in merged.reports), default=0) - start_ns) / 1e9
        if end_s <= 0:  # so that a second from 0 is the first of its load
            return None
        found: dict[str, EndpointSecond] = {}
        due, started = 0, 0
        samples: list[RequestSample] = []
        for process, reports in _by_process(merged.reports).items():
            before, counted = self._before.get(process, ([], {}))
            if list(map(id, before)) == list(map(id, reports)):
                continue
            totals = _totals(reports)
            for name, total in totals.items():
                added = _difference(total, counted.get(name))
                if added.requests or added.errors:
                    found.setdefault(self._names.fold(name), EndpointSecond()).add(added)
            due += sum(each.arrivals.due for each in reports)
            due -= sum(each.arrivals.due for each in before)
            started += sum(each.arrivals.started for each in reports)
            started -= sum(each.arrivals.started for each in before)
            seen = {sample.trace_id for each in before for sample in each.samples}
            samples += [s for each in reports for s in each.samples if s.trace_id not in seen]
            self._before[process] = reports, totals
        if not (found or due or started or end_s > self._end_s):
            return None
        begin_s, self._end_s = self._end_s, max(end_s, self._end_s)
        cpu_percent, rss_bytes = _service(merged.reports)
        return Second(
            run=metadata.name,
            time=self._now_s() - (self._now_ns() - start_ns) / 1e9 + self._end_s,
            start_s=begin_s,
            end_s=self._end_s,
            users=sum(report.arrivals.busy for report in merged.reports),
            arrivals_due=due,
            arrivals_started=started,
            endpoints=dict(sorted(found.items())),
            server_cpu_percent=cpu_percent,
            server_rss_bytes=rss_bytes,
            samples=tuple(sorted(samples, key=lambda each: each.intended_ns)),
        )


def _by_process(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """Return the reports of each process; those of one in Locust are parts that add up."""
    found: dict[str, list[Report]] = {}
    for report in reports:
        found.setdefault(report.process, []).append(report)
    return found


def _totals(reports: Sequence[Report]) -> dict[str, EndpointSecond]:
    """Return everything that a process has recorded so far, by endpoint."""
    found: dict[str, EndpointSecond] = {}
    for report in reports:
        for name, series in Record.from_bytes(report.record).endpoints("main").items():
            found.setdefault(name, EndpointSecond()).add(_total(series))
    return found


def _total(series: Series) -> EndpointSecond:
    limited = series.rate_limited.count
    return EndpointSecond(series.requests, limited, series.statuses, series.errors, series.response)


def _difference(total: EndpointSecond, before: EndpointSecond | None) -> EndpointSecond:
    if before is None:
        return total
    return EndpointSecond(
        total.requests - before.requests,
        total.rate_limited - before.rate_limited,
        total.statuses - before.statuses,
        total.errors - before.errors,
        _added_times(total.response, before.response),
    )


def _added_times(total: Histogram, before: Histogram) -> Histogram:
    """Return the times that were added; their extremes are those of their buckets."""
    added = Histogram()
    added.count = total.count - before.count
    if not added.count:
        return added
    added.counts = total.counts - before.counts
    added.sum_ns = total.sum_ns - before.sum_ns
    added.overflow = total.overflow - before.overflow
    used = np.flatnonzero(added.counts)
    low, high = bucket_edges_ns(np.array([used[0], used[-1] + 1]))
    assert total.min_ns is not None
    assert total.max_ns is not None
    added.min_ns = max(int(low), total.min_ns)
    added.max_ns = total.max_ns if added.overflow else min(int(high), total.max_ns)
    return added


def _service(reports: Sequence[Report]) -> tuple[float | None, float | None]:
    """Return the CPU of the service in percent of a core, and its memory in bytes."""
    samples: list[Sample] = next(
        (each.observations.samples for each in reports if each.observations is not None), []
    )
    if not samples:
        return None, None
    rss_bytes = samples[-1].get("rss_bytes")
    if len(samples) < 2 or not all("cpu_s" in each for each in samples[-2:]):
        return None, rss_bytes
    before, last = samples[-2:]
    passed_s = (last["t_ns"] - before["t_ns"]) / 1e9
    used_s = last["cpu_s"] - before["cpu_s"]
    is_known = passed_s > 0 and used_s >= 0  # less is that of other processes, after a restart
    return (100 * used_s / passed_s if is_known else None), rss_bytes
