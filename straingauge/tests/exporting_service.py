"""A service that exports the span of each sampled request, and one statement within it."""

import json
import os
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers each GET request with its own path."""

    def do_GET(self) -> None:
        """Answer, and export two spans if the request is sampled."""
        began_ns = time.time_ns()
        if self.path == "/end":
            os._exit(1)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        _, trace, parent, flags = self.headers.get("traceparent", "00---00").split("-")
        if flags == "01":
            export(trace, parent, began_ns)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as in http.server
        """Print nothing."""


def export(trace: str, parent: str, began_ns: int) -> None:
    """Send the spans as JSON to the endpoint that the environment names."""
    times = {"startTimeUnixNano": str(began_ns), "endTimeUnixNano": str(time.time_ns())}
    query = {"db.system": "sqlite", "db.statement": "SELECT 1"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in query.items()]
    root = {"traceId": trace, "spanId": "a" * 16, "parentSpanId": parent, "kind": 2, **times}
    child = {"traceId": trace, "spanId": "b" * 16, "parentSpanId": "a" * 16, "kind": 3, **times}
    spans = [{"name": "GET", **root}, {"name": "SELECT", "attributes": attributes, **child}]
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    request = urllib.request.Request(  # noqa: S310  the receiver of the test
        f"{os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).close()  # noqa: S310


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
