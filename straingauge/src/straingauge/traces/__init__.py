"""Spans of the service under load: received by OTLP, and related to the requests of the load.

Pure but for `receiver`: `otlp` reads messages, `tree` relates spans, `time_parts` and `calls` say
where the time of an endpoint goes, and `analysis` makes the section of the result.
"""

from straingauge.traces.analysis import analyze
from straingauge.traces.otlp import reads_protobuf
from straingauge.traces.receiver import Receiver
from straingauge.traces.span_buffer import SpanBuffer

__all__ = ["Receiver", "SpanBuffer", "analyze", "reads_protobuf"]
