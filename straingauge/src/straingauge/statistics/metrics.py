"""The metrics of a phase and of its endpoints."""

from collections.abc import Collection

from straingauge.histogram import Histogram
from straingauge.recording import Record, Series
from straingauge.result.format.metrics import (
    ConfidenceInterval,
    ErrorExample,
    Errors,
    PhaseMetrics,
    SeriesMetrics,
    Times,
    TransactionMetrics,
)
from straingauge.statistics.breakdown import server_timing, slowest
from straingauge.statistics.quantile import Quantile, quantile
from straingauge.statistics.stalls import stalls
from straingauge.statistics.streams import streams
from straingauge.statistics.throughput import Plan, throughput
from straingauge.statistics.websockets import websockets


def metrics(
    record: Record,
    phase: str = "main",
    plan: Plan | None = None,
    percentiles: Collection[str] = (),
) -> PhaseMetrics:
    """Compute the metrics of a phase over all endpoints.

    `duration_s` is from the first intended start to the last end; for `throughput_rps` see
    `throughput`, which needs the schedule as `plan`. `latency_ms` is the response time
    (done - intended), `service_time_ms` is done - sent. `error_rate_percent` is the share of the
    requests that were not rate-limited; an exception in a journey is an error of its last request.
    Other `percentiles` of the response time than p50, p95 and p99 are computed for names such as
    "p99.9".
    """
    total = record.total(phase)
    return {
        **_series_metrics(total, total, plan, percentiles),
        "slowest": slowest(record, phase),
        "stalls": stalls(record, phase),
    }


def endpoints(
    record: Record,
    phase: str = "main",
    plan: Plan | None = None,
    percentiles: Collection[str] = (),
) -> dict[str, SeriesMetrics]:
    """Compute the metrics of each endpoint, over the duration of the whole phase."""
    total = record.total(phase)
    return {
        name: _series_metrics(each, total, plan, percentiles)
        for name, each in record.endpoints(phase).items()
    }


def transactions(
    record: Record, phase: str = "main", percentiles: Collection[str] = ()
) -> dict[str, TransactionMetrics]:
    """Compute the metrics of each transaction.

    Times are of completed ones: `latency_ms` without the pauses of the journey, `duration_ms` with
    them. `error_rate_percent` is the share of failed ones; abandoned ones count as neither.
    """
    found: dict[str, TransactionMetrics] = {}
    for name, series in record.transactions_of(phase).items():
        response, ended = _times(series.response), series.completed + series.failed
        if others := {each: _percentile_ms(series.response, each) for each in percentiles}:
            response["percentiles"] = others
        found[name] = {
            "completed": series.completed,
            "failed": series.failed,
            "abandoned": series.abandoned,
            "error_rate_percent": round(100 * series.failed / ended, 4) if ended else 0.0,
            "latency_ms": response,
            "duration_ms": _times(series.duration),
            "failed_ms": _times(series.failed_response),
        }
    return found


def _series_metrics(
    series: Series, total: Series, plan: Plan | None, percentiles: Collection[str]
) -> SeriesMetrics:
    response = _times(series.response)
    if others := {name: _percentile_ms(series.response, name) for name in percentiles}:
        response["percentiles"] = others
    limited = series.rate_limited.count
    errors = sum(series.errors.values())
    judged = max(series.requests - limited, errors)
    found: SeriesMetrics = {
        "total_requests": series.requests,
        "duration_s": round(_duration_s(total), 6),
        "throughput_rps": throughput(series, total, plan).per_s,
        "error_rate_percent": round(100 * errors / judged, 4) if judged else 0.0,
        "rate_limited": limited,
        "latency_ms": response,
        "service_time_ms": _times(series.service),
        "first_byte_ms": _times(series.first_byte),
        "connect_ms": _times(series.connect),
        "status_codes": {
            str(status): series.statuses[status] for status in sorted(series.statuses)
        },
        "errors": _errors(series),
        "server_timing": server_timing(series.server_timings),
    }
    if (measured := streams(series.streams, _times)) is not None:
        found["streams"] = measured
    if (sockets := websockets(series.websockets, _times)) is not None:
        found["websockets"] = sockets
    return found


def _times(histogram: Histogram) -> Times:
    """Average, extremes and percentiles in milliseconds; None if there are no times."""
    p50, p95, p99 = (quantile(histogram, q) for q in (0.50, 0.95, 0.99))
    return {
        "avg": _ms(histogram.mean_ns),
        "min": _ms(histogram.min_ns),
        "max": _ms(histogram.max_ns),
        "p50": _rounded(p50.value_ms),
        "p95": _rounded(p95.value_ms),
        "p99": _rounded(p99.value_ms),
        "samples": histogram.count,
        "overflow": histogram.overflow,
        "confidence_intervals": {
            "p50": _interval(p50),
            "p95": _interval(p95),
            "p99": _interval(p99),
        },
    }


def _percentile_ms(histogram: Histogram, name: str) -> float | None:
    """Return a percentile such as "p99.9"."""
    return _rounded(quantile(histogram, float(name[1:]) / 100).value_ms)


def _interval(found: Quantile) -> ConfidenceInterval:
    return {
        "low": _rounded(found.low_ms),
        "high": _rounded(found.high_ms),
        "reason": found.reason,
    }


def _errors(series: Series) -> Errors:
    kinds = {str(kind): series.errors[kind] for kind in sorted(series.errors)}
    examples: list[ErrorExample] = [
        {
            "time": each.time,
            "kind": str(each.kind),
            "detail": each.detail,
            "status": each.status or None,
            "request_id": each.request_id or None,
            "trace_id": each.trace_id or None,
        }
        for each in series.examples
    ]
    return {"kinds": kinds, "examples": examples}


def _duration_s(series: Series) -> float:
    if series.first_ns is None or series.last_ns is None:
        return 0.0
    return (series.last_ns - series.first_ns) / 1e9


def _ms(time_ns: float | None) -> float | None:
    return None if time_ns is None else _rounded(time_ns / 1e6)


def _rounded(time_ms: float | None) -> float | None:
    return None if time_ms is None else round(time_ms, 6)
