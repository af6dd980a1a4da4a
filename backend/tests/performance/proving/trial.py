"""One plant put to the load tests: what they found, and whether that is right."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from straingauge.diagnosis import diagnose_session
from tests.performance.proving.catalogue import SETTINGS, Plant
from tests.performance.proving.elsewhere import another_machine
from tests.performance.proving.ground import Ground
from tests.performance.proving.suite import run_load_tests, run_locust

SHORTER = {
    "SUSTAINED_LOAD_S": "5.5",
    "SUSTAINED_LOAD_RPS": "50",
    "LEAK_LOAD_S": "10.5",
    "LOAD_QUIET_S": "0.2",
    "LOAD_WAVES": "4",
    "LOAD_WAVE_S": "0.3",
    "POOL_ROUNDS": "6",
    "JOB_PATIENCE_S": "10",
}
"""Another length of the same load; no threshold is another."""

How = Literal["pytest", "locust", "elsewhere"]
ALARMS = ("critical", "warning", "no_data")
BUSY = {"generator_late", "generator_saturated"}
"""Reasons that speak of this machine, not of the service: the trial is repeated once."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An entry of a verdict that is no praise."""

    test: str
    grade: str
    message: str


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went.

    Attributes:
        plant: What was planted.
        alarms: What was found, the worst first.
        invalid: Why load tests say nothing: the test and the reason.
        cause: The cause that was named first; None where none was.
        diagnosis: What was named over all load tests, best first; see `straingauge.diagnosis`.
        observer_cpu_percent: What watching cost in each load test, of a core.
        took_s: From the start of the service to its end.
        repeated: Whether this is the second attempt.
        output: What the load tests printed.
    """

    plant: Plant
    alarms: Sequence[Alarm]
    invalid: Sequence[tuple[str, str]]
    diagnosis: Sequence[Mapping[str, Any]]
    took_s: float
    repeated: bool
    output: str
    observer_cpu_percent: Sequence[float] = ()

    @property
    def causes(self) -> list[str]:
        """All causes that were named, best first."""
        return [str(cause["cause"]) for cause in self.diagnosis]

    @property
    def cause(self) -> str | None:
        """The cause named first."""
        return self.causes[0] if self.causes else None

    @property
    def found(self) -> Alarm | None:
        """The alarm that finds what was planted; of a healthy service, the first false one."""
        right = (a for a in self.alarms if self.plant.is_healthy or self._is_right(a))
        return next(right, None)

    @property
    def disturbed(self) -> bool:
        """Whether this machine was too busy to tell."""
        return not self.right and any(reason in BUSY for _, reason in self.invalid)

    @property
    def right(self) -> bool:
        """Whether a fault was found, or a healthy service was let be and fully measured."""
        if self.plant.is_healthy:
            return self.found is None and not self.invalid
        return self.found is not None

    @property
    def named(self) -> bool:
        """Whether the right cause came first."""
        return self.cause in self.plant.causes

    def as_dict(self) -> dict[str, Any]:
        """As a file has it."""
        return {
            "name": self.plant.name,
            "what": self.plant.what,
            "healthy": self.plant.is_healthy,
            "right": self.right,
            "alarms": [[alarm.test, alarm.grade, alarm.message] for alarm in self.alarms],
            "invalid": [list(one) for one in self.invalid],
            "expected_causes": list(self.plant.causes),
            "causes": self.causes,
            "diagnosis": list(self.diagnosis[:1]),
            "observer_cpu_percent": list(self.observer_cpu_percent),
            "took_s": round(self.took_s, 1),
            "repeated": self.repeated,
        }

    def _is_right(self, alarm: Alarm) -> bool:
        """A load test that could not tell has found nothing."""
        return alarm.grade != "no_data" and alarm.test == (self.plant.test or alarm.test)


def attempt(
    plant: Plant, ground: Ground, results: Path, *, repeated: bool = False, how: How = "pytest"
) -> Trial:
    """Start the service, run the load tests against it, read their results.

    Args:
        plant: What is planted.
        ground: Where.
        results: Where result files go.
        repeated: Whether this is the second attempt.
        how: By `pytest_load_test.py`, here or on a machine of its own; or by `load_test.py`, of
            whose runs whichever finds it will do.

    Raises:
        TargetError: The service does not start.
        UsageError: Another machine cannot be made up here.
    """
    locust = how == "locust"
    began_s = time.monotonic()
    with ground.grown(plant) as stand:
        assert stand.database_url is not None
        given = {"DATABASE_URL": stand.database_url, **SETTINGS}
        if locust:
            output = run_locust(stand.url, results, **given)
            plant = replace(plant, test="")
        elif how == "elsewhere":
            with another_machine(stand.url, stand.database_url) as machine:
                given["DATABASE_URL"] = machine.database_url
                _, output = run_load_tests(
                    [], machine.url, results, by=machine.by, **given, **SHORTER
                )
        else:
            _, output = run_load_tests([], stand.url, results, **given, **SHORTER)
    files = [file for file in sorted(results.rglob("*.json")) if not file.match("summary_*")]
    found = [json.loads(file.read_text()) for file in files]
    if locust:  # all are called alike
        found = [
            result | {"name": f"locust {file.parent.name}"}
            for result, file in zip(found, files, strict=True)
        ]
    alarms = [alarm for result in found if _is_valid(result) for alarm in _alarms(result)]
    invalid = [
        (result["name"], reason["reason"])
        for result in found
        for reason in result["validity"]["reasons"]
        if reason["severity"] == "invalid"
    ]
    return Trial(
        plant=plant,
        alarms=sorted(alarms, key=lambda alarm: ALARMS.index(alarm.grade)),
        invalid=invalid if found else [("all", "no result file")],
        diagnosis=diagnose_session(found),
        took_s=time.monotonic() - began_s,
        repeated=repeated,
        output=output,
        observer_cpu_percent=[_observer_cpu(result) for result in found],
    )


def _is_valid(result: Mapping[str, Any]) -> bool:
    return bool(result["validity"]["valid"])


def _alarms(result: Mapping[str, Any]) -> list[Alarm]:
    return [
        Alarm(result["name"], entry["grade"], entry["message"])
        for entry in result["verdict"]["findings"]
        if entry["grade"] in ALARMS
    ]


def _observer_cpu(result: Mapping[str, Any]) -> float:
    return float(result["resources"]["observer"]["cpu_percent"])
