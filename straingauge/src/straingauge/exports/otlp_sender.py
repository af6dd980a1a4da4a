"""The parts of OTLP over HTTP that metrics and spans share.

Source: https://opentelemetry.io/docs/specs/otlp/ and `opentelemetry-proto`.
"""

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from straingauge.errors import UsageError
from straingauge.exports.http_sender import HttpSender
from straingauge.extras import install_command
from straingauge.traces import reads_protobuf

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"


def otlp_sender(
    url: str, path: str, *, option: str, environment: Mapping[str, str] = os.environ
) -> HttpSender:
    """Return a connection to a collector.

    Args:
        url: Such as http://localhost:4318.
        path: The path, if the URL has none.
        option: The option with the URL, for errors.
        environment: `OTEL_EXPORTER_OTLP_HEADERS` has headers, as for OpenTelemetry's SDKs.

    Raises:
        UsageError: It is no URL, or the package that writes protobuf is not installed.
    """
    if not reads_protobuf():
        raise UsageError(
            f"{option}: OTLP needs the package opentelemetry-proto", hint=install_command("export")
        )
    headers = {"Content-Type": "application/x-protobuf", **_headers(environment)}
    return HttpSender(url, path, headers, option=option)


def attributes(values: Mapping[str, str | int]) -> "list[KeyValue]":
    """Return attributes of these values."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    return [
        KeyValue(
            key=key,
            value=AnyValue(int_value=value)
            if isinstance(value, int)
            else AnyValue(string_value=value),
        )
        for key, value in values.items()
    ]


def own_resource() -> "list[KeyValue]":
    """Return the attributes of straingauge as the source of what is sent."""
    return attributes({"service.name": "straingauge", "service.version": version("straingauge")})


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    pairs = (each.partition("=") for each in environment.get(HEADERS, "").split(","))
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs if name.strip()}
