"""The kinds of failures that a cause can account for."""

from typing import Literal

from straingauge.verdict import metrics

Topic = metrics.Topic | Literal["limits", "data", "generator"]


def topic_of_metric(rule: str) -> Topic | None:
    """Return the topic of a threshold's metric; None for a rule that is no metric."""
    metric = metrics.METRICS.get(rule)
    return None if metric is None else metric.topic
