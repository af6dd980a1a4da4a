"""Metrics of a load as OTLP over HTTP, in protobuf.

Source: https://opentelemetry.io/docs/specs/otlp/ and `opentelemetry-proto`.
"""

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from straingauge.errors import UsageError
from straingauge.exports.exponential_buckets import exponential_buckets
from straingauge.exports.http_sender import HttpSender
from straingauge.exports.metric_family import Labels, MetricFamily, metric_families
from straingauge.exports.running_totals import RunningTotals
from straingauge.exports.second import Second
from straingauge.extras import install_command
from straingauge.histogram import Histogram
from straingauge.traces import reads_protobuf

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

PATH: Final = "/v1/metrics"
HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"


class OtlpMetrics:
    """Sends cumulative metrics, response times as exponential histograms.

    Args:
        url: Of a collector, such as http://localhost:4318.
        option: The option with the URL, for errors.
        environment: `OTEL_EXPORTER_OTLP_HEADERS` has headers, as for OpenTelemetry's SDKs.

    Raises:
        UsageError: It is no URL, or the package that writes protobuf is not installed.
    """

    def __init__(
        self, url: str, *, option: str, environment: Mapping[str, str] = os.environ
    ) -> None:
        if not reads_protobuf():
            raise UsageError(
                f"{option}: OTLP needs the package opentelemetry-proto",
                hint=install_command("export"),
            )
        headers = {"Content-Type": "application/x-protobuf", **_headers(environment)}
        self._sender = HttpSender(url, PATH, headers, option=option)
        self._totals = RunningTotals()

    def add(self, second: Second) -> None:
        """Send the totals so far.

        Raises:
            OSError: They were not accepted, or not all.
        """
        _require_all(self._sender.send(_message(self._totals.add(second))))

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    pairs = (each.partition("=") for each in environment.get(HEADERS, "").split(","))
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs if name.strip()}


def _require_all(answer: bytes) -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceResponse,
    )

    refused = ExportMetricsServiceResponse.FromString(answer).partial_success
    if refused.rejected_data_points:
        message = f"{refused.rejected_data_points} data points refused: {refused.error_message}"
        raise OSError(message)


def _message(total: Second) -> bytes:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    message = ExportMetricsServiceRequest()
    of_resource = message.resource_metrics.add()
    of_resource.resource.attributes.extend(
        _attributes({"service.name": "straingauge", "service.version": version("straingauge")})
    )
    of_scope = of_resource.scope_metrics.add()
    of_scope.scope.name = "straingauge"
    end_ns, begin_ns = round(total.time * 1e9), round((total.time - total.end_s) * 1e9)
    for family in metric_families(total):
        if family.points:
            _fill(of_scope.metrics.add(), family, begin_ns, end_ns)
    return bytes(message.SerializeToString())


def _fill(metric: "Metric", family: MetricFamily, begin_ns: int, end_ns: int) -> None:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

    metric.name, metric.unit = family.otlp_name, family.unit
    metric.description = family.description
    data: Any = {
        "counter": metric.sum,
        "gauge": metric.gauge,
        "histogram": metric.exponential_histogram,
    }[family.kind]
    if family.kind != "gauge":
        data.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    if family.kind == "counter":
        data.is_monotonic = True
    for labels, value in family.points:
        point = data.data_points.add()
        point.attributes.extend(_attributes(labels))
        point.start_time_unix_nano, point.time_unix_nano = begin_ns, end_ns
        if isinstance(value, Histogram):
            buckets = exponential_buckets(value)
            point.count, point.sum = value.count, value.sum_ns / 1e9
            point.scale, point.positive.offset = buckets.scale, buckets.offset
            point.positive.bucket_counts.extend(buckets.counts)
        elif isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value


def _attributes(labels: Labels) -> "list[KeyValue]":
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    return [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in labels.items()]
