"""The end of a run: what was measured is put together, judged, written and shown."""

import logging
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import locust
from locust.env import Environment

from straingauge import report
from straingauge.errors import CriticalVerdict, InvalidRun, StraingaugeError
from straingauge.fleet import LostProcess, Merged
from straingauge.locust.part import findings_of, report_of
from straingauge.observe import Watched
from straingauge.result import NotWritten, environment, write
from straingauge.result.compose import compose, conclude
from straingauge.verdict import Thresholds, Verdict

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """All there is of a run when it ends.

    Attributes:
        started_at: ISO 8601, with its offset.
        parts: The message of each process (`straingauge.locust.part`), by its name.
        watched: What was seen of the service.
        lost: Workers that went away.
        setup_error: Why the run could not begin.
        ended: Why it ended before its time.
    """

    started_at: str
    parts: Mapping[str, Mapping[str, Any]]
    watched: Watched | None
    lost: tuple[LostProcess, ...]
    setup_error: StraingaugeError | None
    ended: str | None


class Ending:
    """Knows what is demanded of a run, and where its result goes."""

    def __init__(self, thresholds: Thresholds, results: Path) -> None:
        self._thresholds = thresholds
        self._results = results

    def conclude(self, measured: Measured, of: Environment) -> tuple[str, int]:
        """Judge a run and write its result.

        Returns:
            Its verdict as a table, and the exit code that calls for.
        """
        reports = [report_of(name, part) for name, part in measured.parts.items()]
        reports[0] = replace(reports[0], extra=reports[0].extra | {"watched": measured.watched})
        broken = str(measured.setup_error) if measured.setup_error else None
        plan = self._plan(measured, of)
        merged = Merged(tuple(reports), lost=measured.lost, plan=plan, broken=broken)
        found = [finding for part in measured.parts.values() for finding in findings_of(part)]
        result, verdict = conclude(compose(merged, ended=measured.ended), self._thresholds, found)
        written = self._write(result)
        width = shutil.get_terminal_size((120, 24)).columns
        table = report.verdict_table([(result, written)], width=width, colour=sys.stdout.isatty())
        if measured.setup_error is not None:
            return table, measured.setup_error.exit_code
        return table, NotWritten.exit_code if written is None else _exit_code(verdict)

    def _plan(self, measured: Measured, of: Environment) -> dict[str, Any]:
        options = of.parsed_options
        assert options is not None
        where = environment(self._results.parent)
        where["packages"]["locust"] = locust.__version__
        return {
            "name": "metrics",
            "started_at": measured.started_at,
            "users": options.num_users or 0,
            "configuration": {
                "target": of.host,
                "users": options.num_users,
                "spawn_rate": options.spawn_rate,
                "run_time_s": options.run_time,
                "tags": options.tags or [],
                "user_classes": {each.__name__: each.weight for each in of.user_classes},
            },
            "environment": where,
        }

    def _write(self, result: Mapping[str, Any]) -> Path | None:
        try:
            return write(result, self._results)
        except NotWritten as error:
            logger.error("%s; try: %s", error, error.hint)  # noqa: TRY400  one line is all it takes
            return None


def _exit_code(verdict: Verdict) -> int:
    if verdict.grade == "invalid":
        return InvalidRun.exit_code
    return CriticalVerdict.exit_code if verdict.failed else 0
