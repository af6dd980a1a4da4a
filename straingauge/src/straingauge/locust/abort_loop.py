"""The greenlet that ends a run of Locust when its abort rules demand it."""

import time
from collections.abc import Callable
from typing import Final

import gevent

from straingauge.abort import AbortEvaluator, RunTotals
from straingauge.locust.distributed.process_stats import reports_from_message
from straingauge.locust.result_builder import RunSnapshot
from straingauge.workers import Ending
from straingauge.workers.merge import merge_reports

INTERVAL_S: Final = 1.0
MAX_SHARE: Final = 0.05  # of the time: packing measurements delays the users of this process


class AbortLoop:
    """Evaluates the abort rules during a run.

    Args:
        make_evaluator: Makes the evaluator of a run.
        take_snapshot: Returns everything known about the run.
        end: Ends the run.
    """

    def __init__(
        self,
        make_evaluator: Callable[[], AbortEvaluator],
        take_snapshot: Callable[[], RunSnapshot],
        end: Callable[[Ending], None],
    ) -> None:
        self._make_evaluator = make_evaluator
        self._take_snapshot = take_snapshot
        self._end = end
        self._greenlet: gevent.Greenlet | None = None

    def start(self, start_ns: int) -> None:
        """Begin with a run that started at this instant of `time.monotonic_ns`."""
        self.stop()
        evaluator = self._make_evaluator()
        if evaluator.is_needed:
            self._greenlet = gevent.spawn(self._run, evaluator, start_ns)

    def stop(self) -> None:
        """End with the run."""
        if self._greenlet is not None and self._greenlet is not gevent.getcurrent():
            self._greenlet.kill(block=False)
        self._greenlet = None

    def _run(self, evaluator: AbortEvaluator, start_ns: int) -> None:
        seen: dict[str, int] = {}
        pause_s = INTERVAL_S
        while True:
            gevent.sleep(pause_s)
            began_s = time.monotonic()
            snapshot = self._take_snapshot()
            lost = {each.process for each in snapshot.lost}
            numbers = {name: int(each["sequence"]) for name, each in snapshot.reports.items()}
            if all(numbers[name] > seen.get(name, 0) for name in numbers if name not in lost):
                seen = numbers
                now_ns = time.monotonic_ns()
                totals = gevent.get_hub().threadpool.apply(_totals, (snapshot, start_ns, now_ns))
                if ending := evaluator.add(totals):
                    self._end(ending)
                    return
            pause_s = max(INTERVAL_S, (time.monotonic() - began_s) / MAX_SHARE)


def _totals(snapshot: RunSnapshot, start_ns: int, now_ns: int) -> RunTotals:
    """Merge the reports of all processes, in a thread."""
    reports = [
        each
        for name, message in snapshot.reports.items()
        for each in reports_from_message(name, message)
    ]
    record = merge_reports(reports)
    return RunTotals(
        at_s=(now_ns - start_ns) / 1e9,
        endpoints=record.endpoints("main"),
        transactions=record.transactions_of("main"),
        observations=snapshot.observations,
        start_ns=start_ns,
    )
