"""OTLP messages to spans: protobuf and JSON, without I/O.

https://opentelemetry.io/docs/specs/otlp/ and `opentelemetry-proto`. Of JSON, ids are hexadecimal
and times are decimal strings.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from straingauge.extras import install_command
from straingauge.json_text import parse_json
from straingauge.traces.conventions import ATTRIBUTES
from straingauge.traces.span import AttributeValue, Span, SpanException, SpanKind

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

MAX_TEXT: Final = 4_000  # characters of a name or an attribute
MAX_STACK: Final = 30_000  # characters of a stack: some hundred frames
MAX_EXCEPTIONS: Final = 4  # of a span
_EXCEPTION: Final = "exception"  # the name of the event
_EXCEPTION_TYPE: Final = "exception.type"
_EXCEPTION_STACK: Final = "exception.stacktrace"
_EXCEPTION_ATTRIBUTES: Final = frozenset({_EXCEPTION_TYPE, _EXCEPTION_STACK})
_ERROR: Final = 2  # the status code
_SERVICE: Final = "service.name"
_MAX_NS: Final = 1 << 64  # times are of 64 bits
_HEX: Final = re.compile(r"[0-9a-f]+")


class DamagedMessage(ValueError):
    """The bytes are no OTLP message."""


def reads_protobuf() -> bool:
    """Return true if the package that reads protobuf messages is installed."""
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.proto") is not None


def read_message(body: bytes, *, is_json: bool) -> Iterator[Span | None]:
    """Yield the spans of an export request; None for each that is damaged.

    Raises:
        DamagedMessage: The bytes are no export request, or protobuf cannot be read here.
    """
    return _read_json(body) if is_json else _read_protobuf(body)


def _read_protobuf(body: bytes) -> Iterator[Span | None]:
    try:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
    except ImportError as error:
        raise DamagedMessage(f"protobuf cannot be read: {install_command('traces')}") from error
    message = ExportTraceServiceRequest()
    try:
        message.ParseFromString(body)
    except (DecodeError, ValueError) as error:
        raise DamagedMessage(str(error)) from error
    for of_resource in message.resource_spans:
        service = next(
            (
                each.value.string_value
                for each in of_resource.resource.attributes
                if each.key == _SERVICE
            ),
            "",
        )
        for of_scope in of_resource.scope_spans:
            for each in of_scope.spans:
                yield _span(
                    each.trace_id.hex(),
                    each.span_id.hex(),
                    each.parent_span_id.hex(),
                    each.name,
                    each.kind,
                    each.start_time_unix_nano,
                    each.end_time_unix_nano,
                    _protobuf_attributes(each.attributes),
                    is_error=each.status.code == _ERROR,
                    service=service,
                    library=of_scope.scope.name,
                    exceptions=_exceptions(
                        _protobuf_attributes(event.attributes, _EXCEPTION_ATTRIBUTES)
                        for event in each.events
                        if event.name == _EXCEPTION
                    ),
                )


def _protobuf_attributes(
    pairs: "Iterator[KeyValue] | Any",  # noqa: ANN401  a container of protobuf
    wanted: frozenset[str] = ATTRIBUTES,
) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if pair.key in wanted and kind in _SIMPLE_VALUES:
            value = getattr(pair.value, kind)
            found[pair.key] = _bounded(pair.key, value) if isinstance(value, str) else value
    return found


def _bounded(key: str, text: str) -> str:
    """Return a text of limited length; of a stack its end, where Python has the innermost frame."""
    return text[-MAX_STACK:] if key == _EXCEPTION_STACK else text[:MAX_TEXT]


def _exceptions(events: Iterable[Mapping[str, AttributeValue]]) -> tuple[SpanException, ...]:
    found = (
        SpanException(str(event.get(_EXCEPTION_TYPE, "")), str(event.get(_EXCEPTION_STACK, "")))
        for event in events
    )
    return tuple(deque(found, MAX_EXCEPTIONS))


_SIMPLE_VALUES: Final = frozenset({"string_value", "int_value", "double_value", "bool_value"})


def _read_json(body: bytes) -> Iterator[Span | None]:
    try:
        message = parse_json(body)
    except ValueError as error:
        raise DamagedMessage(str(error)) from error
    if not isinstance(message, dict) or not isinstance(message.get("resourceSpans"), list):
        raise DamagedMessage("it has no resourceSpans")
    for of_resource in _objects(message, "resourceSpans"):
        resource = of_resource.get("resource")
        attributes = _json_attributes(resource if isinstance(resource, dict) else {}, {_SERVICE})
        service = str(attributes.get(_SERVICE, ""))
        for of_scope in _objects(of_resource, "scopeSpans"):
            scope = of_scope.get("scope")
            library = str(scope.get("name") or "") if isinstance(scope, dict) else ""
            for each in _objects(of_scope, "spans"):
                yield _json_span(each, service, library)


def _json_span(found: Mapping[str, Any], service: str, library: str) -> Span | None:
    status = found.get("status")
    code = status.get("code") if isinstance(status, dict) else None
    try:
        start_ns, end_ns = (int(found[f"{edge}TimeUnixNano"]) for edge in ("start", "end"))
    except (KeyError, TypeError, ValueError, OverflowError):  # the last one of 1e999
        return None
    return _span(
        str(found.get("traceId")).lower(),
        str(found.get("spanId")).lower(),
        str(found.get("parentSpanId") or "").lower(),
        str(found.get("name") or ""),
        _json_kind(found.get("kind")),
        start_ns,
        end_ns,
        _json_attributes(found, ATTRIBUTES),
        is_error=code in (_ERROR, "STATUS_CODE_ERROR"),
        service=service,
        library=library,
        exceptions=_exceptions(
            _json_attributes(event, _EXCEPTION_ATTRIBUTES)
            for event in _objects(found, "events")
            if event.get("name") == _EXCEPTION
        ),
    )


def _json_kind(found: object) -> int:
    if isinstance(found, str):
        return SpanKind.__members__.get(found.removeprefix("SPAN_KIND_"), SpanKind.UNSPECIFIED)
    return found if isinstance(found, int) else SpanKind.UNSPECIFIED


def _json_attributes(
    found: Mapping[str, Any], wanted: frozenset[str] | set[str]
) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    for pair in _objects(found, "attributes"):
        key, value = pair.get("key"), pair.get("value")
        if not isinstance(key, str) or key not in wanted or not isinstance(value, dict):
            continue
        if (known := _json_value(value)) is not None:
            attributes[key] = _bounded(key, known) if isinstance(known, str) else known
    return attributes


def _json_value(value: Mapping[str, Any]) -> AttributeValue | None:
    text = value.get("stringValue")
    if isinstance(text, str):
        return text
    try:
        if "intValue" in value:
            return int(value["intValue"])
        if "doubleValue" in value:
            return float(value["doubleValue"])
    except (TypeError, ValueError, OverflowError):
        return None
    known = value.get("boolValue")
    return known if isinstance(known, bool) else None


def _objects(found: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    values = found.get(name)
    return iter(
        [each for each in values if isinstance(each, dict)] if isinstance(values, list) else ()
    )


def _span(  # noqa: PLR0917  the fields of a span, from two formats
    trace_id: str,
    span_id: str,
    parent_id: str,
    name: str,
    kind: int,
    start_ns: int,
    end_ns: int,
    attributes: Mapping[str, AttributeValue],
    *,
    is_error: bool,
    service: str,
    library: str,
    exceptions: tuple[SpanException, ...],
) -> Span | None:
    """Make a span; None if its ids or its times are invalid."""
    is_time = 0 < start_ns <= end_ns < _MAX_NS
    if not _is_id(trace_id, 32) or not _is_id(span_id, 16) or not is_time:
        return None
    return Span(
        trace_id,
        span_id,
        parent_id if _is_id(parent_id, 16) else "",
        name[:MAX_TEXT],
        SpanKind(kind) if kind in _KINDS else SpanKind.UNSPECIFIED,
        start_ns,
        end_ns,
        attributes,
        is_error,
        service[:MAX_TEXT],
        library[:MAX_TEXT],
        exceptions,
    )


_KINDS: Final = frozenset(SpanKind)


def _is_id(text: str, digits: int) -> bool:
    return len(text) == digits and _HEX.fullmatch(text) is not None and text.strip("0") != ""
