"""Contents and headers of responses, metrics and spans."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from campaigns.fuzz_instrument.files import changed, corpus, damaged
from campaigns.fuzz_instrument.trial import Input, Refused
from straingauge.http import Request, RequestFailed, Response
from straingauge.http.address import parse_base_url
from straingauge.http.cookies import CookieJar
from straingauge.http.decoding import decode
from straingauge.http.exchange import Exchange
from straingauge.http.html_page import parse_page
from straingauge.http.redirects import redirect_of
from straingauge.http.site import Site
from straingauge.observe.metric_names import MetricNames
from straingauge.observe.prometheus import parse as parse_metrics
from straingauge.recording.server_timing_header import columns_ms, durations_ms, request_id
from straingauge.traces.otlp import DamagedMessage, read_message

from straingauge import StraingaugeError


def _read_cookies(example: bytes, _: Path) -> None:
    value = example.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    site = Site.parse("http://www.example.com")
    jar = CookieJar()
    jar.keep(b"HTTP/1.1 200 OK\r\nSet-Cookie: " + value, site, "/a/b")
    line = jar.line(site, "/a/b/c")
    assert line.count(b"\r\n") == bool(line), "more than one line"
    jar.line(Site.parse("http://127.0.0.1"), "/")
    jar.pairs(site, "/")


def _read_location(example: bytes, _: Path) -> None:
    value = example.replace(b"\r", b"").replace(b"\n", b"")
    head = b"HTTP/1.1 302 Found\r\nLocation: " + value
    response = Response(Request("POST", "/a?b", "POST /a"), 302, head, b"")
    try:
        found = redirect_of(response, Site.parse("http://www.example.com"), 5)
    except RequestFailed as error:
        raise Refused(str(error)) from error
    if found is not None:
        target = found.request.target
        assert re.fullmatch("[!-~]+", target), repr(target)
        Exchange().begin(found.request, b"x")


def _read_url(example: bytes, _: Path) -> None:
    text = example.decode("utf-8", "surrogateescape")
    try:
        address = parse_base_url(text)
    except StraingaugeError as error:
        raise Refused(str(error)) from error
    assert address.host_header
    assert isinstance(address.host_lines, bytes)
    assert isinstance(address.request_root, str)


def _read_content(example: bytes, _: Path) -> None:
    for encoding in ("gzip", "deflate", "gzip, deflate", "br", "zstd"):
        try:
            decode(example, encoding)
        except ValueError:
            continue


def _read_json_body(example: bytes, _: Path) -> None:
    response = Response(Request("GET", "/", "GET /"), 200, b"HTTP/1.1 200 OK", example)
    try:
        response.json()
    except ValueError as error:
        raise Refused(str(error)) from error


def _read_page(example: bytes, _: Path) -> None:
    page = parse_page(example.decode("utf-8", "replace"))
    for form in page.forms:
        form.filled([])


def _read_metrics(example: bytes, _: Path) -> None:
    values = parse_metrics(example.decode("utf-8", "replace"))
    names = MetricNames()
    names.service_metrics(values)
    names.processes(values)


def _read_server_timing(example: bytes, _: Path) -> None:
    value = example.replace(b"\r", b"").replace(b"\n", b"")
    one = durations_ms(value)
    columns = columns_ms([value, value])
    assert set(columns) == set(one), f"{sorted(columns)} and {sorted(one)}"
    request_id(b"HTTP/1.1 200 OK\r\nX-Request-ID: " + value)


def _otlp(*, is_json: bool) -> Callable[[bytes, Path], None]:
    def read(example: bytes, _: Path) -> None:
        try:
            for span in read_message(example, is_json=is_json):
                if span is not None:
                    assert span.duration_ns / 1e9 >= 0
        except DamagedMessage as error:
            raise Refused(str(error)) from error

    return read


def _protobuf() -> bytes:
    from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = json.loads(corpus("spans.json"))
    message: bytes = ParseDict(found, ExportTraceServiceRequest()).SerializeToString()
    return message


_COOKIES: Final = (
    b'sid=abc; Path=/a; Domain=.example.com; Secure; HttpOnly; Max-Age=60; SameSite="Lax"',
    b"__Host-a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/",
    b"a=b; Expires=Thu, 01 Jan 1970 00:00:00 +9999; Max-Age=-1; Domain=com",
)
_LOCATIONS: Final = (
    *(
        b"/a?b=c#d",
        b"http://www.example.com:80/a b",
        b"//other.example.com/x",
        b"?q",
        b"../..",
        b"#",
    ),
    *(
        b"https://user:pass@[2001:db8::1]:443/",
        b"http://b\xc3\xbccher.example.com/\xff",
        b"mailto:a",
    ),
)
_URLS: Final = (
    *(b"http://127.0.0.1:8000", b"https://[::1]:8443/base/", b"http://localhost", b"HTTP://A.B:80"),
    *(b"http://b\xc3\xbccher.example.com/\xc3\xa4", b"http://192.0.2.1:1/x?y#z", b"localhost:8000"),
)


def content_inputs() -> Sequence[Input]:
    """Return the kinds of contents and headers."""
    spans = json.loads(corpus("spans.json"))
    bodies = (gzip.compress(b"hello" * 50, mtime=0), zlib.compress(b"hello" * 50), b"hello")
    return [
        Input("content", "gzip, deflate, br, zstd", damaged(*bodies), _read_content),
        Input("json-body", "bodies as JSON", changed(spans), _read_json_body),
        Input("html", "HTML pages with forms", damaged(corpus("page.html")), _read_page),
        Input("set-cookie", "Set-Cookie", damaged(*_COOKIES), _read_cookies),
        Input("location", "Location", damaged(*_LOCATIONS), _read_location),
        Input("url", "base URLs", damaged(*_URLS), _read_url),
        Input(
            "server-timing",
            "Server-Timing",
            damaged(b'pool;dur=0.12, db;dur=3.4;desc="2, statements", app;dur=5.1', b"a;dur=1"),
            _read_server_timing,
        ),
        Input("metrics", "Prometheus metrics", damaged(corpus("metrics.txt")), _read_metrics),
        Input("otlp-json", "OTLP (JSON)", changed(spans), _otlp(is_json=True)),
        Input("otlp-protobuf", "OTLP (protobuf)", damaged(_protobuf()), _otlp(is_json=False)),
    ]
