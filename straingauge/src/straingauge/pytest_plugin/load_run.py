"""The measurements of a load test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from straingauge.journey import User
from straingauge.result.format.result import Measurements
from straingauge.runner import LoadSpec
from straingauge.verdict import Thresholds


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One measured load, merged over all processes; returned by `LoadTest.run`.

    Attributes:
        name: Name of the run; its result file is named after it.
        metrics: Metrics of the main phase, by their names in the result file
            (``total_requests``, ``error_rate_percent``, ``latency_ms`` ...).
        endpoints: Metrics of each endpoint, by its name.
        status_codes: Number of responses by status in the main phase, such as ``{"200": 450}``.
        errors: ``kinds`` with their counts, and the first ``examples``.
        resources: Observations of the service, its pool and the generator.
        users: The users, of which this process ran its share, always including user 0; their
            ``data`` holds what journeys stored.
        result: The whole result without its verdict.
        thresholds: Thresholds that it is judged by.
        required_endpoints: Endpoints that must have been called.
    """

    name: str
    metrics: Mapping[str, Any]
    endpoints: Mapping[str, Mapping[str, Any]]
    status_codes: Mapping[str, int]
    errors: Mapping[str, Any]
    resources: Mapping[str, Any]
    users: Sequence[User]
    result: Measurements
    thresholds: Thresholds
    required_endpoints: Sequence[str]

    @classmethod
    def from_result(cls, result: Measurements, spec: LoadSpec) -> Self:
        """Make it from a composed result and the load's specification."""
        return cls(
            name=result["name"],
            metrics=result["metrics"],
            endpoints=result["endpoints"],
            status_codes=result["status_codes"],
            errors=result["errors"],
            resources=result["resources"],
            users=spec.users,
            result=result,
            thresholds=spec.thresholds,
            required_endpoints=spec.required_endpoints,
        )
