"""Metrics of a load so far, for the formats of monitoring systems."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from straingauge.exports.second import Second
from straingauge.histogram import Histogram

Labels: TypeAlias = Mapping[str, str]

NO_STATUS: Final = "none"
"""The label `status` of requests without a response."""

_SUFFIXES: Final = {"s": "_seconds", "By": "_bytes", "1": "_ratio"}


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A metric with its values by labels.

    Attributes:
        name: The name without prefix and unit, such as "response_time".
        kind: Counters and histograms have everything since the start of the load.
        unit: The unit of UCUM, such as "s", or what is counted, in braces.
        description: The metric in words.
        points: Labels and values; a histogram's is one of times in nanoseconds.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    points: list[tuple[Labels, float | Histogram]]

    @property
    def prometheus_name(self) -> str:
        """The name by Prometheus's conventions, to which it also translates OTLP's."""
        suffix = _SUFFIXES.get(self.unit, "")
        return f"straingauge_{self.name}{suffix}{'_total' if self.kind == 'counter' else ''}"

    @property
    def otlp_name(self) -> str:
        """The name by OpenTelemetry's conventions."""
        return f"straingauge.{self.name}"


def metric_families(total: Second) -> list[MetricFamily]:
    """Return the metrics of a load.

    Args:
        total: One second that lasts from the start of the load until now.
    """
    return [*_by_endpoint(total), *_of_load(total)]


def _by_endpoint(total: Second) -> Iterator[MetricFamily]:
    found = [({"run": total.run, "endpoint": name}, each) for name, each in total.endpoints.items()]
    requests: list[tuple[Labels, float | Histogram]] = []
    for labels, each in found:
        statuses = {str(status): count for status, count in sorted(each.statuses.items())}
        if (left := each.requests - each.statuses.total()) > 0:
            statuses[NO_STATUS] = left
        requests += [({**labels, "status": name}, count) for name, count in statuses.items()]
    yield MetricFamily("requests", "counter", "{request}", "Requests with any outcome.", requests)
    yield MetricFamily(
        "rate_limited_requests",
        "counter",
        "{request}",
        "Requests that the service refused by a rate limit.",
        [(labels, each.rate_limited) for labels, each in found],
    )
    yield MetricFamily(
        "errors",
        "counter",
        "{error}",
        "Failed requests and exceptions of journeys, by kind.",
        [
            ({**labels, "kind": kind}, count)
            for labels, each in found
            for kind, count in sorted(each.errors.items())
        ],
    )
    yield MetricFamily(
        "response_time",
        "histogram",
        "s",
        "Time from the scheduled start of a served request to the end of its response.",
        [(labels, each.response) for labels, each in found],
    )


def _of_load(total: Second) -> Iterator[MetricFamily]:
    labels = {"run": total.run}
    yield MetricFamily(
        "arrivals_due",
        "counter",
        "{arrival}",
        "Arrivals of journeys that became due by the schedule.",
        [(labels, total.arrivals_due)],
    )
    yield MetricFamily(
        "arrivals_started",
        "counter",
        "{arrival}",
        "Journeys that were started; arrivals that are due and not started are late.",
        [(labels, total.arrivals_started)],
    )
    yield MetricFamily(
        "users", "gauge", "{user}", "Users that run a journey.", [(labels, total.users)]
    )
    for name, unit, description, value in (
        ("server_cpu", "1", "CPU time of the service per time; 1 is one core.", _share(total)),
        (
            "server_resident_memory",
            "By",
            "Resident memory of the service.",
            total.server_rss_bytes,
        ),
    ):
        points = [] if value is None else [(labels, value)]
        yield MetricFamily(name, "gauge", unit, description, [*points])


def _share(total: Second) -> float | None:
    percent = total.server_cpu_percent
    return None if percent is None else percent / 100
