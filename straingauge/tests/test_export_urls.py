"""Exports to URLs, as real receivers read them."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate

import numpy as np
import pytest
from export_receiver import Receiver, receiving
from made_load import MadeLoad, counter, export_to
from straingauge.errors import UsageError
from straingauge.exports import ExportStream, exporters_for
from straingauge.exports.exponential_buckets import MAX_BUCKETS, exponential_buckets
from straingauge.exports.http_sender import HttpSender
from straingauge.exports.influx_lines import InfluxLines
from straingauge.exports.otlp_metrics import OtlpMetrics
from straingauge.exports.prometheus_messages import write_request_class
from straingauge.exports.running_totals import RunningTotals
from straingauge.histogram import Histogram
from straingauge.result.assembly import compose
from straingauge.workers import MergedReports

from straingauge import redaction

metrics_service = pytest.importorskip(
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
    reason="needs opentelemetry-proto",
)
metrics_pb2 = pytest.importorskip("opentelemetry.proto.metrics.v1.metrics_pb2")

SUMS_S = {
    "GET /a": 10 * 0.005 + 20 * 0.007 + 3 * 0.9,
    "POST /b": 5 * 0.002,
    "GET /a, with a comma": 0.001,
}
"""Sums of the served response times of `export_to`."""
SHORTEST_S = {"GET /a": 0.005, "POST /b": 0.002, "GET /a, with a comma": 0.001}
"""The shortest of them."""


def is_in_bucket(time_s: float, upper_limit: int, scale: int) -> bool:
    """Return true if a time is in a bucket, but for the error of a histogram."""
    high_s, width = 2.0 ** (upper_limit * 2.0**-scale), 2.0 ** (2.0**-scale)
    return high_s / width / 1.004 <= time_s <= high_s * 1.004


def of_result(merged: MergedReports) -> dict[str, float]:
    """Return the totals of the result."""
    result = compose(merged)
    return {
        **{name: each["total_requests"] for name, each in result["endpoints"].items()},
        **{f"status {status}": n for status, n in result["status_codes"].items()},
        **{f"error {kind}": n for kind, n in result["errors"]["kinds"].items()},
    }


def of_otlp(received: Receiver) -> dict[str, float]:
    """Return the totals of the last message of OTLP."""
    message = metrics_service.ExportMetricsServiceRequest.FromString(received.bodies[-1])
    (of_resource,) = message.resource_metrics
    (of_scope,) = of_resource.scope_metrics
    found = Counter[str]()
    for metric in of_scope.metrics:
        for point in getattr(metric, metric.WhichOneof("data")).data_points:
            labels = {each.key: each.value.string_value for each in point.attributes}
            assert labels["run"] == "load"
            assert (point.start_time_unix_nano, point.time_unix_nano) == (
                10**12,
                10**12 + 3 * 10**9,
            )
            if metric.WhichOneof("data") != "gauge":
                cumulative = getattr(metric, metric.WhichOneof("data")).aggregation_temporality
                assert cumulative == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
            if metric.name == "straingauge.requests":
                assert metric.sum.is_monotonic
                found[labels["endpoint"]] += point.as_int
                found[f"status {labels['status']}"] += point.as_int
            elif metric.name == "straingauge.errors":
                found[f"error {labels['kind']}"] += point.as_int
            elif metric.name == "straingauge.response_time":
                assert metric.unit == "s"
                assert sum(point.positive.bucket_counts) == point.count
                assert point.sum == pytest.approx(SUMS_S[labels["endpoint"]])
                shortest_s = SHORTEST_S[labels["endpoint"]]
                assert is_in_bucket(shortest_s, point.positive.offset + 1, point.scale)
                found[f"times {labels['endpoint']}"] += point.count
    return found


def of_influx(received: Receiver) -> dict[str, float]:
    """Return the totals of all lines for InfluxDB, by a reader of its published grammar."""
    found = Counter[str]()
    for line in b"".join(received.bodies).decode().splitlines():
        series, fields, time = re.split(r"(?<!\\) ", line)
        measurement, *pairs = re.split(r"(?<!\\),", series)
        tags = {
            key: re.sub(r"\\(.)", r"\1", text)
            for key, text in (re.split(r"(?<!\\)=", pair) for pair in pairs)
        }
        values = dict(each.split("=") for each in fields.split(","))
        assert tags["run"] == "load"
        assert int(time) in {10**12 + n * 10**9 for n in (1, 2, 3)}
        if measurement == "straingauge_requests":
            found[tags["endpoint"]] += int(values["requests"].removesuffix("i"))
        elif measurement == "straingauge_responses":
            found[f"status {tags['status']}"] += int(values["count"].removesuffix("i"))
        elif measurement == "straingauge_errors":
            found[f"error {tags['kind']}"] += int(values["count"].removesuffix("i"))
    return found


def of_prometheus(received: Receiver) -> dict[str, float]:
    """Return the totals of the last request of remote write."""
    from cramjam import snappy

    assert received.headers[-1]["content-encoding"] == "snappy"
    assert received.headers[-1]["x-prometheus-remote-write-version"] == "0.1.0"
    body = bytes(snappy.decompress_raw(received.bodies[-1]))
    found = Counter[str]()
    for series in write_request_class().FromString(body).timeseries:
        labels = {each.name: each.value for each in series.labels}
        assert [*labels] == sorted(labels)
        name, endpoint = labels["__name__"], labels.get("endpoint")
        for sample in series.samples:
            assert sample.timestamp == 1_003_000
            if name == "straingauge_requests_total":
                found[str(endpoint)] += sample.value
                found[f"status {labels['status']}"] += sample.value
            elif name == "straingauge_errors_total":
                found[f"error {labels['kind']}"] += sample.value
        for native in series.histograms:
            assert name == "straingauge_response_time_seconds"
            assert native.timestamp == 1_003_000
            assert native.sum == pytest.approx(SUMS_S[str(endpoint)])
            (span,) = native.positive_spans
            assert is_in_bucket(SHORTEST_S[str(endpoint)], span.offset, native.schema)
            assert sum(accumulate(native.positive_deltas)) == native.count_int
            assert sum(each.length for each in native.positive_spans) == len(native.positive_deltas)
    return found


FORMATS: dict[str, tuple[str, str, Callable[[Receiver], dict[str, float]]]] = {
    "otlp": ("", "/v1/metrics", of_otlp),
    "prometheus": ("", "/api/v1/write", of_prometheus),
    "influx": ("?org=o&bucket=b", "/api/v2/write?org=o&bucket=b", of_influx),
}


@pytest.fixture(autouse=True)
def _no_secrets_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_hidden_values", set())
    monkeypatch.setattr(redaction, "_values", {})


@pytest.fixture
def received() -> Iterator[Receiver]:
    """A receiver."""
    with receiving() as running:
        yield running


@pytest.mark.parametrize("format_", FORMATS)
def test_receiver_gets_the_totals(format_: str, received: Receiver):
    """A receiver decodes exactly the totals of the result; a refusal ends the export."""
    if format_ == "prometheus":
        pytest.importorskip("cramjam", reason="needs cramjam")
    rest, path, decode = FORMATS[format_]
    url = f"{format_}+http://me:secret@127.0.0.1:{received.port}{rest}"
    merged = export_to(url)
    found = decode(received)
    assert {name: found.get(name) for name in of_result(merged)} == of_result(merged)
    assert received.paths == [path] * 3
    assert received.headers[0]["authorization"] == "Basic bWU6c2VjcmV0"
    received.status, received.answer = 400, b"no such\n thing"
    load, said = MadeLoad(), list[str]()
    stream = ExportStream(exporters_for([url]), said.append, counter)
    for at_s in (1.0, 2.0):
        load.requests("p1", "GET /a", 10, 5)
        stream.watch("load", load.merged(at_s))
        stream.export()
    stream.close()
    (line,) = said
    assert line.endswith("ended: OSError: status 400: no such thing")
    (section,) = stream.section()
    assert section["seconds"] == 0
    assert "secret" not in line + str(section)
    assert len(received.paths) == 4


def test_all_response_times_are_in_exponential_buckets():
    """The counts are exact, and each time is within its bucket, in any range of times."""
    for times_ns in ([5_000_000] * 3, [600, 3_000_000_000_000], [*range(10**6, 10**9, 10**6)]):
        times = Histogram()
        times.add(np.array(times_ns))
        buckets = exponential_buckets(times)
        assert len(buckets.counts) <= MAX_BUCKETS
        assert sum(buckets.counts) == len(times_ns)
        limit_s = 2.0 ** ((buckets.offset + 1) * 2.0**-buckets.scale)
        width = 2.0 ** (2.0**-buckets.scale)
        assert limit_s / width <= min(times_ns) / 1e9 * 1.004
        assert min(times_ns) / 1e9 <= limit_s * 1.004
    assert exponential_buckets(Histogram()).counts == []


def test_totals_begin_again_with_a_load():
    """A second load of the same name begins at 0."""
    totals = RunningTotals()
    for begun in range(2):
        load, counted = MadeLoad(), counter()
        for at_s in (1.0, 2.0):
            load.requests("p1", "GET /a", 10 + begun, 5)
            second = counted.count(load.merged(at_s))
            assert second is not None
            total = totals.add(second)
        assert total.endpoints["GET /a"].requests == 20 + 2 * begun
        assert total.endpoints["GET /a"].response.count == 20 + 2 * begun
        assert total.arrivals_started == 20 + 2 * begun
        assert total.arrivals_due == 22 + 2 * begun


class Refusing:
    """A sender whose receiver refuses a part."""

    def send(self, _body: bytes) -> bytes:
        """Return a partial success."""
        answer = metrics_service.ExportMetricsServiceResponse()
        answer.partial_success.rejected_data_points = 3
        answer.partial_success.error_message = "too old"
        return bytes(answer.SerializeToString())


def test_partial_success_of_otlp_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    """Data points that a collector refuses end the export with its message."""
    load, exporter = MadeLoad(), OtlpMetrics("http://localhost:4318", option="--export")
    load.requests("p1", "GET /a", 10, 5)
    second = counter().count(load.merged(1.0))
    assert second is not None
    monkeypatch.setattr(exporter, "_sender", Refusing())
    with pytest.raises(OSError, match="3 data points refused: too old"):
        exporter.add(second)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("http://localhost:4318", "must begin with its format"),
        ("nope+http://localhost:4318", "must begin with its format"),
        ("otlp+ftp://localhost", "no URL of http or https"),
        ("otlp+http://", "names no host"),
        ("influx+http://localhost:8086/api/v2/write", "names no database"),
        ("influx+http://localhost:8086?db=a&precision=s", "remove precision"),
        ("otlp+http://localhost:99999", "[Pp]ort"),
        ("influx+http://localhost:8086?db=my load", "write ' ' as %20"),
        ("otlp+http://localhost:4318/\u00e9", "write '\u00e9' as %C3%A9"),
    ],
)
def test_wrong_url_is_refused(name: str, message: str):
    """A URL without a known format or a host is an error before anything is sent."""
    with pytest.raises(UsageError, match=message):
        exporters_for([name])


def test_tokens_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    """Tokens of receivers are read from the variables that their own tools read."""
    sent: list[HttpSender] = []

    def send(sender: HttpSender, _body: bytes) -> bytes:
        sent.append(sender)
        return b""

    monkeypatch.setattr(HttpSender, "send", send)
    load = MadeLoad()
    load.requests("p1", "GET /a", 10, 5)
    second = counter().count(load.merged(1.0))
    assert second is not None
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "X-Key=a%20b, x-scope = c"}
    OtlpMetrics("http://localhost/x", option="", environment=headers).add(second)
    InfluxLines("http://localhost?db=n", option="", environment={"INFLUX_TOKEN": "t"}).add(second)
    otlp, influx = sent
    assert (otlp.headers["X-Key"], otlp.headers["x-scope"]) == ("a b", "c")
    assert influx.headers["Authorization"] == "Token t"
    assert [each.path for each in sent] == ["/x", "/write?db=n"]


@pytest.mark.parametrize(
    ("variable", "value", "header"),
    [
        ("INFLUX_TOKEN", "hunter22hunter\r", "Authorization"),
        ("INFLUX_TOKEN", "hunter22\u2019", "Authorization"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "X-Pin=hunter22%0A", "X-Pin"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "X Pin=hunter22", "X Pin"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Content-Length=hunter22", "Content-Length"),
    ],
)
def test_header_that_cannot_be_sent_is_refused(variable: str, value: str, header: str):
    """A token with a line break, as from a file, is an error before the load, without the token."""
    make = InfluxLines if variable == "INFLUX_TOKEN" else OtlpMetrics
    with pytest.raises(UsageError) as refused:
        make("http://localhost?db=n", option="--export", environment={variable: value})
    assert f"the header {header!r} cannot be sent" in str(refused.value)
    assert "hunter22" not in refused.value.with_hint


def test_receivers_that_repeat_a_secret_do_not_show_it(received: Receiver):
    """Neither a token nor the password of InfluxDB 1 is in a message, though a receiver has it."""
    received.status, received.answer = 401, b"no access with hunter22 and xyzzy-plugh"
    url = f"http://127.0.0.1:{received.port}?db=n&u=me&p=hunter22"
    exporter = InfluxLines(url, option="", environment={"INFLUX_TOKEN": "xyzzy-plugh"})
    stream = ExportStream({url: exporter}, (said := list[str]()).append, counter)
    stream.watch("load", MadeLoad().merged(1.0))
    stream.close()
    (section,) = stream.section()
    assert said == [f"export {section['to']} ended: {section['failure']}"]
    assert section["to"].endswith("&u=me&p=***")
    assert section["failure"] == "OSError: status 401: no access with *** and ***"


def test_messages_of_remote_write_have_the_published_numbers():
    """The bytes are those of prompb/types.proto: field numbers, and signed numbers by zigzag."""
    message = write_request_class()()
    series = message.timeseries.add()
    series.labels.add(name="a", value="b")
    series.samples.add(value=1.0, timestamp=2)
    native = series.histograms.add(count_int=3, sum=1.0, schema=-1, timestamp=4)
    native.positive_spans.add(offset=-2, length=1)
    native.positive_deltas.append(-3)
    one = bytes.fromhex("000000000000f03f")
    label = b"\x0a\x06" + b"\x0a\x01a" + b"\x12\x01b"
    sample = b"\x12\x0b" + b"\x09" + one + b"\x10\x02"
    inside = b"\x08\x03" + b"\x19" + one + b"\x20\x01"
    inside += b"\x5a\x04\x08\x03\x10\x01" + b"\x62\x01\x05" + b"\x78\x04"
    whole = label + sample + b"\x22" + bytes([len(inside)]) + inside
    assert message.SerializeToString() == b"\x0a" + bytes([len(whole)]) + whole
