"""All checks, in order."""

from collections.abc import Callable, Iterator

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.doctor.database import database
from straingauge.doctor.journeys import journeys
from straingauge.doctor.machine import clock_source, disk, memory, open_files, other_load
from straingauge.doctor.service import answers, metrics, processes

Check = Callable[[CheckContext], Iterator[CheckResult]]

# Other load is measured before the checks themselves use the machine.
CHECKS: tuple[Check, ...] = (
    answers,
    other_load,
    processes,
    metrics,
    database,
    journeys,
    open_files,
    disk,
    memory,
    clock_source,
)


def run_checks(context: CheckContext) -> Iterator[CheckResult]:
    """Run all checks, and yield their results as they come; takes about two seconds."""
    for check in CHECKS:
        yield from check(context)
