"""The kinds of failures that a cause can account for."""

from typing import Literal

from straingauge.verdict.metric import Topic as MetricTopic
from straingauge.verdict.metrics import find_metric

Topic = MetricTopic | Literal["limits", "data", "generator"]


def topic_of_metric(rule: str) -> Topic | None:
    """Return the topic of a threshold's metric; None for a rule that is no metric."""
    metric = find_metric(rule)
    return None if metric is None else metric.topic
