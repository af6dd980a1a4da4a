"""All checks, in the order in which one would look."""

from collections.abc import Callable, Iterator

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.doctor.database import database
from straingauge.doctor.journeys import journeys
from straingauge.doctor.machine import clock_source, disk, memory, open_files, other_load
from straingauge.doctor.service import answers, figures, processes

Check = Callable[[CheckContext], Iterator[CheckResult]]

# Whether others use the machine is looked at before our own checks do.
CHECKS: tuple[Check, ...] = (
    answers,
    other_load,
    processes,
    figures,
    database,
    journeys,
    open_files,
    disk,
    memory,
    clock_source,
)


def run_checks(patient: CheckContext) -> Iterator[CheckResult]:
    """The outcomes one after the other, as they come; takes some two seconds."""
    for check in CHECKS:
        yield from check(patient)
