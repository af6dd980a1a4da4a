"""Run the load tests against a service with a fault, and evaluate the detection."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from straingauge.diagnosis import diagnose_session
from tests.performance.fault_injection.catalogue import SETTINGS, Fault
from tests.performance.fault_injection.remote import remote_machine
from tests.performance.fault_injection.service_factory import ServiceFactory
from tests.performance.fault_injection.suite import run_load_tests, run_locust

SHORTER = {
    "SUSTAINED_LOAD_S": "5.5",
    "SUSTAINED_LOAD_RPS": "50",
    "LEAK_LOAD_S": "10.5",
    "LOAD_COOLDOWN_S": "0.2",
    "LOAD_WAVES": "4",
    "LOAD_WAVE_S": "0.3",
    "POOL_ROUNDS": "6",
    "JOB_TIMEOUT_S": "10",
}
"""Shorter load tests with the same thresholds."""

Runner = Literal["pytest", "locust", "remote"]
ALARMS = ("critical", "warning", "no_data")
GENERATOR_OVERLOAD = {"generator_late", "generator_saturated"}
"""Validity reasons caused by this machine; the trial is repeated once."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An entry of a verdict that is not a pass."""

    test: str
    grade: str
    message: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Outcome of the load tests against one fault.

    Attributes:
        fault: The injected fault.
        alarms: Alarms of the load tests, worst first.
        invalid: Invalid load tests, as pairs of test and reason.
        diagnosis: Causes over all load tests, most likely first; see `straingauge.diagnosis`.
        duration_s: Time from the start of the service to its end.
        repeated: True for the second attempt.
        output: Output of the load tests.
        observer_cpu_percent: CPU usage of the observer in each load test, in percent of a core.
    """

    fault: Fault
    alarms: Sequence[Alarm]
    invalid: Sequence[tuple[str, str]]
    diagnosis: Sequence[Mapping[str, Any]]
    duration_s: float
    repeated: bool
    output: str
    observer_cpu_percent: Sequence[float] = ()

    @property
    def causes(self) -> list[str]:
        """All causes in the diagnosis, most likely first."""
        return [str(cause["cause"]) for cause in self.diagnosis]

    @property
    def cause(self) -> str | None:
        """The first cause in the diagnosis; None if it is empty."""
        return self.causes[0] if self.causes else None

    @property
    def detection(self) -> Alarm | None:
        """The alarm that detects the fault; for a healthy service, the first false alarm."""
        detections = (a for a in self.alarms if self.fault.is_healthy or self._is_detection(a))
        return next(detections, None)

    @property
    def is_disturbed(self) -> bool:
        """True if the outcome is wrong because the load generator was overloaded."""
        overloaded = any(reason in GENERATOR_OVERLOAD for _, reason in self.invalid)
        return not self.is_correct and overloaded

    @property
    def is_correct(self) -> bool:
        """True if the fault was detected, or a healthy service passed with valid results."""
        if self.fault.is_healthy:
            return self.detection is None and not self.invalid
        return self.detection is not None

    @property
    def is_cause_correct(self) -> bool:
        """True if the first cause in the diagnosis describes the fault."""
        return self.cause in self.fault.causes

    def as_dict(self) -> dict[str, Any]:
        """Return the trial as JSON data."""
        return {
            "name": self.fault.name,
            "description": self.fault.description,
            "healthy": self.fault.is_healthy,
            "correct": self.is_correct,
            "alarms": [[alarm.test, alarm.grade, alarm.message] for alarm in self.alarms],
            "invalid": [list(reason) for reason in self.invalid],
            "expected_causes": list(self.fault.causes),
            "causes": self.causes,
            "diagnosis": list(self.diagnosis[:1]),
            "observer_cpu_percent": list(self.observer_cpu_percent),
            "duration_s": round(self.duration_s, 1),
            "repeated": self.repeated,
        }

    def _is_detection(self, alarm: Alarm) -> bool:
        """Check that an alarm detects the fault; missing data does not count."""
        return alarm.grade != "no_data" and alarm.test == (self.fault.test or alarm.test)


def run_trial(
    fault: Fault,
    factory: ServiceFactory,
    results: Path,
    *,
    repeated: bool = False,
    runner: Runner = "pytest",
) -> Trial:
    """Start the service with a fault, run the load tests and read their results.

    Args:
        fault: The fault to inject.
        factory: Starts the service.
        results: Folder for the result files.
        repeated: True for the second attempt.
        runner: "pytest" for `pytest_load_test.py` on this machine, "remote" for the same on a
            simulated remote machine, "locust" for `load_test.py`, where any run may detect it.

    Raises:
        TargetError: The service does not start.
        UsageError: The remote machine cannot be simulated here.
    """
    is_locust = runner == "locust"
    started_s = time.monotonic()
    with factory.start(fault) as stack:
        assert stack.database_url is not None
        env = {"DATABASE_URL": stack.database_url, **SETTINGS}
        if is_locust:
            output = run_locust(stack.url, results, env=env)
            fault = replace(fault, test="")
        elif runner == "remote":
            with remote_machine(stack.url, stack.database_url) as machine:
                env["DATABASE_URL"] = machine.database_url
                _, output = run_load_tests(
                    [],
                    machine.url,
                    results,
                    command_prefix=machine.command_prefix,
                    env=env | SHORTER,
                )
        else:
            _, output = run_load_tests([], stack.url, results, env=env | SHORTER)
    files = [file for file in sorted(results.rglob("*.json")) if not file.match("summary_*")]
    documents = [json.loads(file.read_text()) for file in files]
    if is_locust:  # results of all Locust runs have the same name
        documents = [
            document | {"name": f"locust {file.parent.name}"}
            for document, file in zip(documents, files, strict=True)
        ]
    alarms = [alarm for document in documents if _is_valid(document) for alarm in _alarms(document)]
    invalid = [
        (document["name"], reason["reason"])
        for document in documents
        for reason in document["validity"]["reasons"]
        if reason["severity"] == "invalid"
    ]
    return Trial(
        fault=fault,
        alarms=sorted(alarms, key=lambda alarm: ALARMS.index(alarm.grade)),
        invalid=invalid if documents else [("all", "no result file")],
        diagnosis=diagnose_session(documents),
        duration_s=time.monotonic() - started_s,
        repeated=repeated,
        output=output,
        observer_cpu_percent=[_observer_cpu(document) for document in documents],
    )


def _is_valid(document: Mapping[str, Any]) -> bool:
    return bool(document["validity"]["valid"])


def _alarms(document: Mapping[str, Any]) -> list[Alarm]:
    return [
        Alarm(document["name"], entry["grade"], entry["message"])
        for entry in document["verdict"]["findings"]
        if entry["grade"] in ALARMS
    ]


def _observer_cpu(document: Mapping[str, Any]) -> float:
    return float(document["resources"]["observer"]["cpu_percent"])
