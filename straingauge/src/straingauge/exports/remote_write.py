"""Metrics of a load by Prometheus remote write.

Source: "Prometheus Remote-Write 1.0 specification", and prompb/types.proto for native histograms.
"""

from importlib.util import find_spec
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.exports.exponential_buckets import exponential_buckets
from straingauge.exports.http_sender import HttpSender
from straingauge.exports.metric_family import metric_families
from straingauge.exports.prometheus_messages import write_request_class
from straingauge.exports.running_totals import RunningTotals
from straingauge.exports.second import Second
from straingauge.extras import install_command
from straingauge.histogram import Histogram

PATH: Final = "/api/v1/write"
HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class RemoteWrite:
    """Sends the metrics of /metrics, response times as native histograms.

    Args:
        url: Of the receiver, such as http://localhost:9090.
        option: The option with the URL, for errors.

    Raises:
        UsageError: It is no URL, or packages that write the format are not installed.
    """

    def __init__(self, url: str, *, option: str) -> None:
        if find_spec("cramjam") is None or find_spec("google") is None:
            raise UsageError(
                f"{option}: Prometheus remote write needs the packages cramjam and protobuf",
                hint=install_command("export"),
            )
        self._sender = HttpSender(url, PATH, HEADERS, option=option)
        self._totals = RunningTotals()

    def add(self, second: Second) -> None:
        """Send the totals so far.

        Raises:
            OSError: They were not accepted.
        """
        from cramjam import snappy

        message = _message(self._totals.add(second))
        self._sender.send(bytes(snappy.compress_raw(message)))

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()


def _message(total: Second) -> bytes:
    message = write_request_class()()
    at_ms = round(total.time * 1e3)
    for family in metric_families(total):
        for labels, value in family.points:
            series = message.timeseries.add()
            for name, text in sorted({"__name__": family.prometheus_name, **labels}.items()):
                series.labels.add(name=name, value=text)
            if isinstance(value, Histogram):
                _fill(series.histograms.add(timestamp=at_ms), value)
            else:
                series.samples.add(value=value, timestamp=at_ms)
    return bytes(message.SerializeToString())


def _fill(native: Any, times: Histogram) -> None:  # noqa: ANN401  a message of protobuf
    buckets = exponential_buckets(times)
    native.count_int, native.sum, native.schema = times.count, times.sum_ns / 1e9, buckets.scale
    if buckets.counts:
        # Prometheus numbers a bucket by its upper limit, OpenTelemetry by its lower one.
        native.positive_spans.add(offset=buckets.offset + 1, length=len(buckets.counts))
        before = [0, *buckets.counts]
        deltas = (count - last for count, last in zip(buckets.counts, before, strict=False))
        native.positive_deltas.extend(deltas)
