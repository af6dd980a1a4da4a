"""The merge of what several processes have measured into one record."""

from collections.abc import Iterable

from straingauge.recording import EndpointNames, Record
from straingauge.workers.reports import Report


def merge_reports(reports: Iterable[Report]) -> Record:
    """Merge the records of all reports, one at a time, with one limit for the endpoints of all."""
    merged, names = Record(), EndpointNames()
    for report in reports:
        merged.add(Record.from_bytes(report.record), names)
    return merged
