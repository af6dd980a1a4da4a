"""The merge of what several processes have measured into one record."""

from collections.abc import Iterable

from straingauge.recording import Record
from straingauge.workers.reports import Report


def merge_reports(reports: Iterable[Report]) -> Record:
    """Merge the records of all reports, without loss; see `Record.merge`."""
    return Record().merge(*(Record.from_bytes(report.record) for report in reports))
