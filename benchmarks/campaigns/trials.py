"""Trials in rounds until a deadline, and the table of their results.

For campaigns that repeat trials, each with goals that it may miss: the row of a trial's name has
its `name`, `title`, number of `trials`, and in `missed` how many of them missed which goal.
"""

import argparse
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from campaigns.record import Campaign, Record, aligned, markdown, say

S = TypeVar("S", bound="Named")
T = TypeVar("T")
Row = Mapping[str, Any]


class Named(Protocol):
    """A subject of trials, such as a disturbance or a fault."""

    @property
    def name(self) -> str:
        """Its name for --only."""


@dataclass(frozen=True)
class Table:
    """The rows of a campaign on the terminal and in the documentation.

    Attributes:
        key: Key of the rows in the results.
        titles: Titles of the columns on the terminal.
        widths: Their widths.
        cells: Returns the columns of a row on the terminal.
        page_titles: Titles in the documentation, between the first column and the missed goals.
        page_align: "l" or "r" for each of them: on the left or on the right.
        page_cells: Returns the columns of a row between these two.
    """

    key: str
    titles: Sequence[str]
    widths: Sequence[int]
    cells: Callable[[Row], Sequence[str]]
    page_titles: Sequence[str]
    page_align: str
    page_cells: Callable[[Row], Sequence[str]]

    def header(self) -> str:
        """Return the titles of the columns on the terminal."""
        return aligned(self.titles, self.widths)

    def line(self, row: Row) -> str:
        """Return one row for the terminal, with a second line that names missed goals."""
        text = aligned(self.cells(row), self.widths)
        return f"{text}\n  missed: {missed_goals_of(row)}" if row["missed"] else text

    def as_markdown(self, results: Mapping[str, Any]) -> str:
        """Return the table for the documentation."""
        titles = (self.titles[0], *self.page_titles, "goals missed")
        rows = (
            (
                f"{row['title']} (`{row['name']}`)",
                *self.page_cells(row),
                missed_goals_of(row) or "none",
            )
            for row in results[self.key]
        )
        return markdown(results, titles, f"l{self.page_align}l", rows)


def missed_goals_of(row: Row) -> str:
    """Return the goals that trials have missed, with their numbers, in words."""
    goals = row["missed"].items()
    return ", ".join(f"{goal} {count} of {row['trials']}" for goal, count in goals)


def rounds(options: argparse.Namespace, known: Collection[str]) -> Iterator[str]:
    """Yield the names of trials in rounds, as many as begin before the deadline.

    Args:
        options: The options of `Campaign.parser`: --only, --times and --minutes.
        known: All names, for want of --only.
    """
    deadline_s = time.monotonic() + 60 * options.minutes
    wanted = [name for _ in range(options.times) for name in options.only or known]
    for number, name in enumerate(wanted):
        if time.monotonic() >= deadline_s:
            say(f"{number} of {len(wanted)} trials began within {options.minutes:g} minutes")
            return
        yield name


def run_trials(
    campaign: Campaign,
    table: Table,
    trials: Iterable[tuple[S, T]],
    row: Callable[[S, Sequence[T]], Row],
    options: argparse.Namespace,
    **values: object,
) -> int:
    """Run all trials; write the results after each, and print the table.

    Args:
        campaign: The campaign.
        table: Its table.
        trials: Runs each trial when it is asked for the next, and yields what was tried with it.
        row: Returns the results of all trials of one of those.
        options: The options of `Campaign.parser`.
        values: Further values of the results.

    Returns:
        The exit code: 1 if there was no trial, or one missed a goal.
    """
    record = Record()
    found: dict[str, tuple[S, list[T]]] = {}
    rows: list[Row] = []
    for tried, trial in trials:
        found.setdefault(tried.name, (tried, []))[1].append(trial)
        rows = [row(each, its_trials) for each, its_trials in found.values()]
        results = record.as_dict(times=options.times, **values, **{table.key: rows})
        # After each trial, so that an interrupted campaign leaves its results.
        campaign.write(results, table.as_markdown(results), keep=options.keep)
    say(f"\n{table.header()}")
    for each in rows:
        say(table.line(each))
    return int(not rows or any(each["missed"] for each in rows))
