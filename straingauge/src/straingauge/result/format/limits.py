"""Limits of control groups; `schemas/result-1.schema.json` describes each field."""

from typing import NotRequired, TypedDict


class Limits(TypedDict):
    """Limits of the service's control group, and what happened at them.

    `allowed_cpus` is the number of CPUs on which its processes may run, absent if these are all,
    and `allowed_cpus_percent` the CPU time of all programs on them, in percent of one core.
    """

    cpus: float | None
    throttled_percent: float | None
    throttled_s: float | None
    memory_mb: float | None
    oom_kills: int | None
    allowed_cpus: NotRequired[int]
    allowed_cpus_percent: NotRequired[float]


class GeneratorLimits(TypedDict):
    """Limits of the generator's control group, and what happened at them."""

    cpus: float
    throttled_percent: float | None
    throttled_s: float | None
    shared: bool
