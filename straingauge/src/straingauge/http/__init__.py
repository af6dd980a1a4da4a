"""HTTP without I/O, shared by the asyncio engine and Locust's gevent client.

A request becomes bytes and bytes become a response here; the two clients only move them. `models`
has what a journey sees (requests, responses, failures), `codec` the protocol, and `address` the
rules about where load may go.
"""

from straingauge.http.decoding import MAX_BODY_BYTES
from straingauge.http.headers import Headers, RawHeaders, encode_headers, values_of
from straingauge.http.models import (
    Check,
    ErrorKind,
    Request,
    RequestFailed,
    Response,
    check_response,
)
from straingauge.http.multipart import FilePart, Upload
from straingauge.http.streaming import Event, Stream, StreamReader, StreamResponse

__all__ = [
    "MAX_BODY_BYTES",
    "Check",
    "ErrorKind",
    "Event",
    "FilePart",
    "Headers",
    "RawHeaders",
    "Request",
    "RequestFailed",
    "Response",
    "Stream",
    "StreamReader",
    "StreamResponse",
    "Upload",
    "check_response",
    "encode_headers",
    "values_of",
]
