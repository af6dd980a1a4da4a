"""Plans of slow statements, read after a load whose result gives reason to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from straingauge.result.format.plans import Plans
from straingauge.result.format.result import FollowUpSections, Result
from straingauge.runner.service_database import ServiceDatabase

CAUSES = ("missing_index", "n_plus_one", "slow_statement")  # those that plans tell more about
GRADES = ("warning", "critical")


@dataclass(frozen=True, slots=True)
class DatabasePlans:
    """A `straingauge.runner.outcome.FollowUp` that adds the plans of slow statements.

    In a temporary database that was started with the service it also tries the indexes that are
    missing; in others it only reads.

    Attributes:
        database: The database of the service; None if it is not known.
        say: Called with a line for each step.
    """

    database: ServiceDatabase | None
    say: Callable[[str], None] = field(default=lambda _line: None)

    def __call__(self, result: Result) -> FollowUpSections:
        """Return the section with the plans; none if there is no reason to read them."""
        database = result["resources"]["database"]
        statements = database and database["statements"]
        if self.database is None or not statements or not is_wanted(result):
            return {}
        # psycopg is an optional dependency; without it there are no statements.
        from straingauge.plans.index_trial import try_indexes
        from straingauge.plans.plan_reader import read_plans

        self.say("reading the plans of the slowest statements")
        found = read_plans(self.database.url, statements)
        notes = list(found.notes)
        if self.database.is_temporary and any(each.index for each in found.plans):
            self.say("trying the missing indexes in the temporary database")
            notes += try_indexes(self.database.url, found.plans)
        plans: Plans = {"statements": [each.described for each in found.plans], "notes": notes}
        return {"plans": plans} if plans["statements"] or notes else {}


def is_wanted(result: Result) -> bool:
    """Return true if a threshold was missed by far, or if statements explain the result."""
    found = {each["cause"] for each in result["diagnosis"]}
    return result["verdict"]["grade"] in GRADES or not found.isdisjoint(CAUSES)
