"""The names and values of a page of metrics, in tests."""

from straingauge.observe.metric_names import MetricNames
from straingauge.observe.prometheus import parse


def sample(text: str) -> dict[str, float]:
    """Return what the observer reads from a page under the names it expects by default."""
    names, metrics = MetricNames(), parse(text)
    return names.service_metrics(metrics) | names.processes(metrics)


def timing(header: str) -> dict[str, float]:
    """Return the parts of a Server-Timing header in ms."""
    parts = (part.strip().partition(";dur=") for part in header.split(","))
    return {name: float(value) for name, _, value in parts}
