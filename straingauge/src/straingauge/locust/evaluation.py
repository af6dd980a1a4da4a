"""Observation of the service during a run, and the run's evaluation while it goes on."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from locust.env import Environment

from straingauge.locust.inspection import Inspection
from straingauge.locust.result_builder import FinishedRun, ResultBuilder, RunSnapshot
from straingauge.locust.standby_loop import StandbyLoop
from straingauge.locust.threads import run_in_thread
from straingauge.observe import Observations, Observer
from straingauge.result.format.result import Result

LIVE_SHARE: Final = 0.05  # of the time spent on live results, which delays users

MakeObserver = Callable[[str], Observer]
Inspect = Callable[[str], Inspection]


class LiveEvaluator:
    """Observes the service during a run, and judges the run while it goes on and when it ends.

    Args:
        environment: Locust's environment.
        builder: Builds the results.
        make_observer: Makes the observer of the service at a URL.
        inspect: Begins to look inside the service at a URL.
        cooldown_s: Seconds to observe the service after the load.

    Attributes:
        finished_run: The last run that has ended.
    """

    def __init__(
        self,
        environment: Environment,
        builder: ResultBuilder,
        make_observer: MakeObserver,
        inspect: Inspect | None,
        cooldown_s: float,
    ) -> None:
        self._environment = environment
        self._builder = builder
        self._make_observer = make_observer
        self._cooldown_s = cooldown_s
        self._inspect = inspect
        self._observer: Observer | None = None
        self._inspection: Inspection | None = None
        self._run_number = 0
        self._live_result: Result | None = None
        self._next_live_s = 0.0
        self._printed = True
        self._standby: StandbyLoop | None = None
        self._exit_code: int | None = None
        self.finished_run: FinishedRun | None = None

    def start_run(self) -> None:
        """Discard the live result of the run before."""
        self._run_number += 1
        self._live_result, self._next_live_s = None, 0.0

    def observe(self, host: str | None) -> None:
        """Start to observe the service and to look inside it; None if no user class has a host."""
        if host is None:
            return
        self._observer = self._make_observer(host)
        self._observer.__enter__()
        if self._inspect is not None:
            self._inspection = self._inspect(host)

    def export(self, take_snapshot: Callable[[], RunSnapshot]) -> None:
        """Export the run from now on, if an export was asked for."""
        if (exports := self._builder.exports) is not None and exports.is_needed:
            self._builder.prepare()
            exports.start(take_snapshot, self._builder.merge, self._count_users)

    def close(self) -> None:
        """End the exports, if any; after it Locust prints its last output."""
        if self._builder.exports is not None:
            self._builder.exports.close()

    def _count_users(self) -> int:
        runner = self._environment.runner
        return runner.user_count if runner is not None else 0

    def keep(self, take_snapshot: Callable[[], RunSnapshot]) -> None:
        """Keep the run in a second process, which writes its result if this one is killed."""
        self._standby = StandbyLoop(lambda: self._builder.unfinished(take_snapshot()))

    @property
    def observations(self) -> Observations | None:
        """Observations of the service in this run."""
        return self._observer.observations() if self._observer else None

    def live_result(self, take_snapshot: Callable[[], RunSnapshot]) -> Result | None:
        """Judge the run in progress; returns the previous result if that was too recent."""
        began_s, run_number = time.monotonic(), self._run_number
        if began_s >= self._next_live_s:
            self._next_live_s = math.inf  # until this is done, others get the previous result
            result: Result | None = None
            try:
                self._builder.prepare()
                result = run_in_thread(partial(self._builder.build_live, take_snapshot()))
            finally:
                if run_number == self._run_number:
                    cost_s = time.monotonic() - began_s
                    self._live_result, self._next_live_s = result, began_s + cost_s / LIVE_SHARE
        return self._live_result

    def cool_down(self, *, complete: bool) -> None:
        """Observe the service for the cooldown, unless the run was cut short; then stop."""
        if self._inspection is not None:
            self._inspection.end()
        if self._observer is not None:
            try:
                if complete:
                    self._observer.cooldown(self._cooldown_s)
            finally:
                self._observer.__exit__(None, None, None)

    def finish(self, snapshot: RunSnapshot, *, print_verdict: bool) -> FinishedRun:
        """Judge the run and write its result; with a web page the verdict is printed at once."""
        self._observer = None
        inspection, self._inspection = self._inspection, None
        if inspection is not None:
            snapshot = replace(
                snapshot, profile=inspection.profile(), exceptions=inspection.exceptions()
            )
        finished = self.finished_run = self._builder.finish(snapshot)
        if self._standby is not None:
            self._standby.discard()
            self._standby = None
        self._printed = not print_verdict
        # A code that the load test itself has set stands, unless the verdict has one.
        code, own = self._environment.process_exit_code, finished.exit_code
        self._environment.process_exit_code = own if code == self._exit_code else own or code
        self._exit_code = self._environment.process_exit_code
        if self._environment.web_ui is not None:
            self.print_verdict()
        return finished

    def print_verdict(self) -> None:
        """Print the last verdict once; in a headless run, after Locust's own tables.

        With ``--json``, standard output has Locust's JSON alone.
        """
        if self.finished_run is not None and not self._printed:
            self._printed = True
            as_json = getattr(self._environment.parsed_options, "json", False)
            stream = sys.stderr if as_json else sys.stdout
            stream.write(self.finished_run.verdict_table)
            stream.flush()
