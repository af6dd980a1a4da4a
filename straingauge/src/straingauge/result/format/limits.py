"""Limits of control groups; `schemas/result-1.schema.json` describes each field."""

from typing import TypedDict


class Limits(TypedDict):
    """Limits of the service's control group, and what happened at them."""

    cpus: float | None
    throttled_percent: float | None
    throttled_s: float | None
    memory_mb: float | None
    oom_kills: int | None


class GeneratorLimits(TypedDict):
    """Limits of the generator's control group, and what happened at them."""

    cpus: float
    throttled_percent: float | None
    throttled_s: float | None
    shared: bool
