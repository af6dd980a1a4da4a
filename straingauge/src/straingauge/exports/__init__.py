"""Exports of a running load: what each second adds, to files that grow while it runs."""

from straingauge.exports.export_stream import ExportStream
from straingauge.exports.exporter import Exporter, exporters_for
from straingauge.exports.second import EndpointSecond, Second
from straingauge.exports.second_counter import SecondCounter

__all__ = [
    "EndpointSecond",
    "ExportStream",
    "Exporter",
    "Second",
    "SecondCounter",
    "exporters_for",
]
