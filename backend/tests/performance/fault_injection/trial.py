"""Evaluate the detection of a fault by the results of the load tests."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from straingauge.diagnosis import diagnose_session
from tests.performance.fault_injection.catalogue import Fault

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
        failure: Why there is no outcome; empty if there is one.
    """

    fault: Fault
    alarms: Sequence[Alarm]
    invalid: Sequence[tuple[str, str]]
    diagnosis: Sequence[Mapping[str, Any]]
    duration_s: float
    repeated: bool
    output: str
    observer_cpu_percent: Sequence[float] = ()
    failure: str = ""

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
        if self.failure:
            return False
        if self.fault.is_healthy:
            return self.detection is None and not self.invalid
        return self.detection is not None

    @property
    def is_cause_correct(self) -> bool:
        """True if the first cause in the diagnosis describes the fault."""
        return self.cause in self.fault.causes

    @property
    def where(self) -> list[str]:
        """The places that the first cause names, as text."""
        places = self.diagnosis[0].get("where", []) if self.diagnosis else []
        return [
            " ".join(str(value) for key, value in place.items() if key != "kind" and value)
            for place in places
        ]

    @property
    def is_where_named(self) -> bool:
        """True if the first cause describes the fault and names its place."""
        expected = self.fault.where
        return (
            self.is_cause_correct
            and bool(expected)
            and any(re.search(expected, place, re.IGNORECASE) for place in self.where)
        )

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
            "expected_where": self.fault.where,
            "where": self.where,
            "diagnosis": list(self.diagnosis[:1]),
            "observer_cpu_percent": list(self.observer_cpu_percent),
            "duration_s": round(self.duration_s, 1),
            "repeated": self.repeated,
            "failure": self.failure,
        }

    def _is_detection(self, alarm: Alarm) -> bool:
        """Check that an alarm detects the fault; missing data does not count."""
        return alarm.grade != "no_data" and alarm.test == (self.fault.test or alarm.test)


def evaluate(
    fault: Fault,
    documents: Sequence[Mapping[str, Any]],
    *,
    duration_s: float,
    repeated: bool = False,
    output: str = "",
) -> Trial:
    """Evaluate the results of load tests against a fault.

    Args:
        fault: The injected fault.
        documents: The result files; their names are those of the load tests.
        duration_s: Time from the start of the service to its end.
        repeated: True for the second attempt.
        output: Output of the load tests.
    """
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
        duration_s=duration_s,
        repeated=repeated,
        output=output,
        observer_cpu_percent=[_observer_cpu(document) for document in documents],
    )


def failed_trial(fault: Fault, error: Exception, *, duration_s: float) -> Trial:
    """Return the trial of a fault that ended with an error."""
    reason = f"{error}".strip() or type(error).__name__
    return Trial(fault, (), (), (), duration_s, repeated=False, output=reason, failure=reason)


def read_documents(results: Path) -> list[dict[str, Any]]:
    """Read all result files below a folder."""
    files = [file for file in sorted(results.rglob("*.json")) if not file.match("summary_*")]
    return [json.loads(file.read_text()) for file in files]


def _is_valid(document: Mapping[str, Any]) -> bool:
    return bool(document["validity"]["valid"])


def _alarms(document: Mapping[str, Any]) -> list[Alarm]:
    return [
        Alarm(document["name"], entry["grade"], entry["message"])
        for entry in document["verdict"]["findings"]
        if entry["grade"] in ALARMS
    ]


def _observer_cpu(document: Mapping[str, Any]) -> float:
    """Return the observer's share of a core; 0 where no load was sent."""
    observer = document["resources"]["observer"]
    return float(observer["cpu_percent"]) if observer else 0.0
