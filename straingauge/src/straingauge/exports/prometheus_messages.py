"""The protobuf messages of Prometheus remote write 1.0, with native histograms.

Source: prompb/remote.proto and prompb/types.proto of Prometheus, for which there is no package;
fields that are not used here are omitted.
"""

from functools import cache
from typing import Any, Final

_PACKAGE: Final = "straingauge.prometheus"
# By message: number and type of each field; a type in brackets is repeated.
_MESSAGES: Final[dict[str, dict[str, tuple[int, str]]]] = {
    "Label": {"name": (1, "string"), "value": (2, "string")},
    "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
    "BucketSpan": {"offset": (1, "sint32"), "length": (2, "uint32")},
    "Histogram": {
        "count_int": (1, "uint64"),
        "sum": (3, "double"),
        "schema": (4, "sint32"),
        "zero_threshold": (5, "double"),
        "zero_count_int": (6, "uint64"),
        "positive_spans": (11, "[BucketSpan]"),
        "positive_deltas": (12, "[sint64]"),
        "timestamp": (15, "int64"),
    },
    "TimeSeries": {
        "labels": (1, "[Label]"),
        "samples": (2, "[Sample]"),
        "histograms": (4, "[Histogram]"),
    },
    "WriteRequest": {"timeseries": (1, "[TimeSeries]")},
}


@cache
def write_request_class() -> Any:  # noqa: ANN401  a class that protobuf makes
    """Return the class of a request."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="straingauge/prometheus.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, type_) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if type_[0] == "[" else field.LABEL_OPTIONAL
            kind = type_.strip("[]")
            if kind in _MESSAGES:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.WriteRequest")
    return message_factory.GetMessageClass(found)
