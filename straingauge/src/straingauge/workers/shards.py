"""The split of one load: the shard of each process, and what has been reported of it."""

import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from straingauge.workers.messages import Shard
from straingauge.workers.reports import Report


@dataclass(slots=True)
class ShardProgress:
    """The reports of one process about its shard.

    Attributes:
        report: The newest report; None before the first.
        top_rate_per_s: The highest rate of requests between two reports.
        is_complete: Its load has ended, and its report has everything it measured.
    """

    report: Report | None = None
    top_rate_per_s: float = 0.0
    is_complete: bool = False

    def update(self, report: Report) -> None:
        """Take a newer report."""
        before = self.report
        if before is not None and report.at_ns > before.at_ns:
            seconds = (report.at_ns - before.at_ns) / 1e9
            self.top_rate_per_s = max(
                self.top_rate_per_s, (report.requests - before.requests) / seconds
            )
        self.report = report

    def highest_rate_per_s(self, start_ns: int) -> float:
        """Return the highest rate of requests until a report since the start, or between two."""
        if self.report is None or self.report.at_ns <= start_ns:
            return self.top_rate_per_s
        mean = self.report.requests * 1e9 / (self.report.at_ns - start_ns)
        return max(self.top_rate_per_s, mean)

    def lost_requests(self, start_ns: int, now_ns: int, rate_per_s: float) -> int:
        """Estimate the requests since the last report, or since the start, at a rate."""
        if self.is_complete:
            return 0
        since_ns = start_ns if self.report is None else max(self.report.at_ns, start_ns)
        return math.ceil(rate_per_s * max(now_ns - since_ns, 0) / 1e9)


def assign_shards(workers: Iterable[str], max_active: int) -> dict[str, Shard]:
    """Assign one shard each to the first processes by number; the others stay idle.

    Args:
        workers: Names of all processes.
        max_active: Number of processes that may share the load; at least one does.
    """
    ordered = sorted(workers, key=worker_number)
    active = min(len(ordered), max(max_active, 1))
    load_id = secrets.token_hex(8) if active > 1 else ""
    return {
        name: Shard(index if index < active else None, active, len(ordered) - active, load_id)
        for index, name in enumerate(ordered)
    }


def worker_number(name: str) -> tuple[int, str]:
    """Sort process names by their number: gw2 before gw10."""
    digits = "".join(filter(str.isdigit, name))
    return (int(digits) if digits else 0, name)
