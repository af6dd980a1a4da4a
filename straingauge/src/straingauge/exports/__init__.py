"""Exports of a running load: each second to files and URLs, and a page for Prometheus."""

from straingauge.exports.destinations import exporters_for
from straingauge.exports.export_stream import ExportStream
from straingauge.exports.exporter import Exporter
from straingauge.exports.metrics_page import MEDIA_TYPE, MetricsPage
from straingauge.exports.sampling import sampling_for
from straingauge.exports.second import EndpointSecond, Second
from straingauge.exports.second_counter import SecondCounter

__all__ = [
    "MEDIA_TYPE",
    "EndpointSecond",
    "ExportStream",
    "Exporter",
    "MetricsPage",
    "Second",
    "SecondCounter",
    "exporters_for",
    "sampling_for",
]
