"""A fleet of one: the same course of a load, and nobody to wait for."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from straingauge.workers.coordinator import Watcher
from straingauge.workers.messages import MergedReports, Report, Shard

START_DELAY_NS = 200_000_000  # time to set up the engine before the first request is due


@dataclass(slots=True)
class LocalCoordinator:
    """Plays each load alone; keeps what a result needs, as the rendezvous does for many.

    Attributes:
        find_address: Gives the service's address, starting it where need be.
        watcher, find_database: As the rendezvous has them.
    """

    find_address: Callable[[str], str]
    watcher: Watcher
    name: str = "main"
    halt_at_ns: int | None = None
    broken: bool = False
    find_database: Callable[[], str | None] = lambda: None
    _test: str = ""
    _start_ns: int | None = None
    _over: bool = False
    _unjudged: dict[str, MergedReports] = field(default_factory=dict)

    def unjudged(self) -> list[tuple[str, MergedReports]]:
        """Loads of which figures are known and that nobody has judged: (test, figures)."""
        return list(self._unjudged.items())

    @property
    def database_url(self) -> str | None:
        """The database of the service whose address was asked for, where it was started for us."""
        return self.find_database()

    def address(self, near: str) -> str:
        """The service's address."""
        return self.find_address(near)

    def join(self, test: str, at_most: int) -> Shard:  # noqa: ARG002  one is never too many
        """Begin."""
        self._test, self.halt_at_ns, self._start_ns, self._over = test, None, None, False
        return Shard(0, 1)

    def announce(self, plan: dict[str, Any]) -> None:
        """Keep the plan."""
        self._unjudged[self._test] = MergedReports((), plan=plan)

    def ready(self, report: Report) -> int:
        """Start."""
        self._start_ns = time.monotonic_ns() + START_DELAY_NS
        self._keep(report)
        return self._start_ns

    def fail(self, error: str) -> None:
        """Keep why no load was sent."""
        self._keep(broken=error)

    def report(self, report: Report) -> None:
        """Keep and show what was measured till now."""
        merged = self._keep(report)
        if self.watcher(self._test, merged) and self.halt_at_ns is None:
            self.halt_at_ns = time.monotonic_ns()

    def played(self, report: Report) -> None:
        """Go on."""
        self._over = True
        self._keep(report)

    def rested(self, report: Report) -> None:
        """Go on."""
        self._keep(report)

    def end(self, report: Report) -> MergedReports:
        """All there is."""
        return self._keep(report)

    def judged(self) -> None:
        """The result needs no keeping any more."""
        self._unjudged.pop(self._test, None)

    def _keep(self, report: Report | None = None, broken: str | None = None) -> MergedReports:
        before = self._unjudged[self._test]
        reports = before.reports if report is None else (report,)
        merged = MergedReports(
            reports, plan=before.plan, broken=broken, start_ns=self._start_ns, over=self._over
        )
        self._unjudged[self._test] = merged
        return merged
