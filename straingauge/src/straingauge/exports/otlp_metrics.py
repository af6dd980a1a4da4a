"""Metrics of a load as OTLP over HTTP, in protobuf.

Source: https://opentelemetry.io/docs/specs/otlp/ and `opentelemetry-proto`.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from straingauge.exports.exponential_buckets import exponential_buckets
from straingauge.exports.metric_family import MetricFamily, metric_families
from straingauge.exports.otlp_sender import attributes, otlp_sender, own_resource
from straingauge.exports.running_totals import RunningTotals
from straingauge.exports.second import Second
from straingauge.histogram import Histogram

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

PATH: Final = "/v1/metrics"


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
        self._sender = otlp_sender(url, PATH, option=option, environment=environment)
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
    of_resource.resource.attributes.extend(own_resource())
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
        point.attributes.extend(attributes(labels))
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
