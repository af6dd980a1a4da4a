"""Samples of single requests as client spans, by OTLP over HTTP in protobuf.

Each has the ids that its header `traceparent` had, so the spans of the service are below it.
Attributes are those of the semantic conventions for HTTP clients:
https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

import os
from collections.abc import Mapping
from typing import Final

from straingauge.exports.otlp_sender import attributes, otlp_sender, own_resource
from straingauge.exports.second import Second

PATH: Final = "/v1/traces"


class OtlpSpans:
    """Sends the samples of each second.

    Args:
        url: Of a collector, such as http://localhost:4318.
        option: The option with the URL, for errors.
        environment: See `otlp_sender`.

    Raises:
        UsageError: See `otlp_sender`.
    """

    def __init__(
        self, url: str, *, option: str, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._sender = otlp_sender(url, PATH, option=option, environment=environment)

    def add(self, second: Second) -> None:
        """Send the spans of a second, if it has any.

        Raises:
            OSError: They were not accepted, or not all.
        """
        if second.samples:
            _require_all(self._sender.send(_message(second)))

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()


def _require_all(answer: bytes) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    refused = ExportTraceServiceResponse.FromString(answer).partial_success
    if refused.rejected_spans:
        raise OSError(f"{refused.rejected_spans} spans refused: {refused.error_message}")


def _message(second: Second) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

    message = ExportTraceServiceRequest()
    of_resource = message.resource_spans.add()
    of_resource.resource.attributes.extend(own_resource())
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "straingauge"
    begun_ns = round((second.time - second.end_s) * 1e9)
    for each in second.samples:
        span = of_scope.spans.add()
        span.trace_id, span.span_id = bytes.fromhex(each.trace_id), bytes.fromhex(each.span_id)
        span.name, span.kind = each.endpoint, Span.SPAN_KIND_CLIENT
        span.start_time_unix_nano = begun_ns + each.sent_ns
        span.end_time_unix_nano = begun_ns + each.done_ns
        late_us = (each.sent_ns - each.intended_ns) // 1000
        span.attributes.extend(
            attributes({"run": second.run, "straingauge.start_delay_us": late_us})
        )
        if each.status:
            span.attributes.extend(attributes({"http.response.status_code": each.status}))
        if each.error:
            span.attributes.extend(attributes({"error.type": each.error}))
            span.status.code = Status.STATUS_CODE_ERROR
    return bytes(message.SerializeToString())
