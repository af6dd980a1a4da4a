"""The kinds of failures that a cause can account for."""

import re
from collections.abc import Sequence
from typing import Literal

Topic = Literal["speed", "trend", "errors", "growth", "limits", "data", "generator"]

_TOPICS_OF_METRICS: Sequence[tuple[str, Topic]] = (
    (r"error_rate", "errors"),
    (r"memory", "growth"),
    (r"degradation", "trend"),
    (r"_ms$|throughput|pool|cpu|stall", "speed"),
)


def topic_of_metric(rule: str) -> Topic | None:
    """Return the topic of a threshold's metric; None for a rule that is no metric."""
    found = (topic for pattern, topic in _TOPICS_OF_METRICS if re.search(pattern, rule))
    return next(found, None) if " " not in rule else None
