"""What every load begins and ends with: the plan that is laid down, and the file it comes to.

The plan goes to whoever keeps the figures before anything is sent, so that a result can be made of
them whatever happens to the process that was to make it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from straingauge.errors import CriticalVerdict, InvalidRun, TargetError
from straingauge.result.assembly import compose, conclude, environment
from straingauge.result.format import WriteError, write
from straingauge.result.format.result import Measurements, Result
from straingauge.runner.load_runner import LoadOrder, WarmUp, schedule_as_dict
from straingauge.schedule import Waves
from straingauge.verdict import Finding, Thresholds, Verdict
from straingauge.workers import MergedReports


@dataclass(frozen=True, slots=True)
class Outcome:
    """A load that was judged.

    Attributes:
        result: With its verdict.
        verdict: The same.
        path: Its file; None where it could not be written.
        problem: Why it could not be written.
    """

    result: Result
    verdict: Verdict
    path: Path | None
    problem: WriteError | None = None

    @property
    def exit_code(self) -> int:
        """What the command line ends with, by `straingauge.errors`."""
        if any(reason["reason"] == "setup_failed" for reason in self.result["validity"]["reasons"]):
            return TargetError.exit_code
        if self.verdict.grade == "invalid":
            return InvalidRun.exit_code
        if self.verdict.failed:
            return CriticalVerdict.exit_code
        return self.problem.exit_code if self.problem else 0


def run_metadata(
    order: LoadOrder,
    url: str,
    *,
    name: str,
    thresholds: Thresholds,
    results: Path,
    demanded: Sequence[str] = (),
    configuration: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a result needs besides the figures.

    Args:
        order: What is played.
        url: Where to.
        name: The run's.
        thresholds: What is demanded.
        results: The folder for its file.
        demanded: Endpoints that have to be called.
        configuration: Shown in the result beside what is known of the order; no secrets.
    """
    schedule = order.schedule
    enough = schedule.concurrent * schedule.at_least if isinstance(schedule, Waves) else None
    return {
        "name": name,
        "test": order.test,
        "started_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "configuration": {
            "target": url,
            "users": len(order.crowd),
            "timeout_s": order.timeout_s,
            "connections": order.connections,
            "max_connections": order.max_connections,
            "schedule": schedule_as_dict(schedule),
            "warm_up": _described(order.warm_up),
            **(configuration or {}),
        },
        "environment": environment(Path(order.near).parent),
        "results": str(results),
        "thresholds": thresholds,
        "demanded": list(demanded),
        "users": len(order.crowd) if order.log_in else 0,
        "duration_s": schedule.duration_s,
        "enough_requests": enough,
    }


def _described(warm_up: WarmUp) -> Mapping[str, Any] | str | None:
    return warm_up if warm_up is None or isinstance(warm_up, str) else schedule_as_dict(warm_up)


def conclude_run(merged: MergedReports, *, ended: str | None = None) -> Outcome:
    """Judge what is known of a load, and write its file.

    Args:
        merged: With its plan.
        ended: Why the load did not come to its end, if it did not.
    """
    plan = merged.plan
    assert plan is not None
    result = compose(merged, ended=ended)
    return file(result, plan["thresholds"], Path(plan["results"]), demanded=plan["demanded"])


def file(
    result: Measurements,
    thresholds: Thresholds,
    results: Path,
    *,
    findings: Iterable[Finding] = (),
    demanded: Sequence[str] = (),
) -> Outcome:
    """Judge a result, and write its file."""
    judged, verdict = conclude(result, thresholds, findings, required=demanded)
    try:
        return Outcome(judged, verdict, write(judged, results))
    except WriteError as error:
        return Outcome(judged, verdict, None, error)
