"""The options of a campaign, and the record of its results: when, where, on which commit."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from options import names_parser, parse_count, parse_minutes
from provenance import commit, machine
from results_section import replace_section

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Campaign:
    """The name of a campaign, and the files of its results.

    Attributes:
        name: Name of the make target and of the result files.
        page: Page of the documentation with its table, relative to the repository.
        purpose: First sentence of --help.
        trials: Plural noun for what --only chooses from, such as "disturbances".
        example: Arguments of the example in --help.
    """

    name: str
    page: str
    purpose: str
    trials: str = "trials"
    example: str = "--times 3"

    @property
    def command(self) -> str:
        """The make target."""
        return f"make {self.name}"

    @property
    def committed(self) -> Path:
        """The results of git, which --keep updates."""
        return ROOT / "benchmarks" / "results" / f"{self.name}.json"

    @property
    def built(self) -> Path:
        """The results without --keep."""
        return ROOT / "build" / f"{self.name}.json"

    def write(self, results: dict[str, Any], table: str, *, keep: bool) -> None:
        """Write the results; with `keep` to the committed file, and the table to the page."""
        path = self.committed if keep else self.built
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n")
        if keep:
            page = ROOT / self.page
            page.write_text(self.with_table(page.read_text(), table))

    def with_table(self, page: str, table: str) -> str:
        """Replace the table of a page; see `replace_section`."""
        return replace_section(page, self.command, f"{table}\n")

    def parser(
        self, names: Iterable[str], *, times: int | None, minutes: float
    ) -> argparse.ArgumentParser:
        """Return a parser of the options that campaigns share.

        Args:
            names: What --only may name.
            times: Default of --times; None for a campaign whose trials are not repeated.
            minutes: Default of --minutes.
        """
        parser = argparse.ArgumentParser(
            prog=f"{self.command} ARGS=...",
            description=self.purpose,
            epilog=f'example: {self.command} ARGS="{self.example}"; exit codes: 0 all goals met;'
            " 1 a goal missed; 2 an argument is wrong",
        )
        parser.add_argument(
            "--only",
            type=names_parser(names, self.trials),
            metavar="NAMES",
            help=f"{self.trials}, separated by commas (default: all)",
        )
        if times is not None:
            parser.add_argument(
                "--times",
                type=parse_count,
                default=times,
                help="trials of each (default: %(default)s)",
            )
        parser.add_argument(
            "--minutes",
            type=parse_minutes,
            default=minutes,
            help="no trial begins later (default: %(default)g)",
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="of all that is random (default: %(default)s)"
        )
        parser.add_argument("--list", action="store_true", help=f"list the {self.trials}")
        parser.add_argument(
            "--keep",
            action="store_true",
            help=f"update benchmarks/results/{self.name}.json and {self.page}"
            f" (default: build/{self.name}.json)",
        )
        return parser


class Record:
    """Date, commit, machine, load and length of a campaign; made when it begins."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._load = os.getloadavg()[0]

    @property
    def elapsed_minutes(self) -> float:
        """Minutes since the campaign began."""
        return (time.monotonic() - self._began_s) / 60

    def as_dict(self, **values: object) -> dict[str, Any]:
        """Return the record so far, followed by the results in `values`."""
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "commit": commit(),
            "machine": machine()
            | {
                "nice": os.nice(0),
                "load_before": round(self._load, 1),
                "load_after": round(os.getloadavg()[0], 1),
            },
            "minutes": round(self.elapsed_minutes, 1),
            **values,
        }


def caption(results: Mapping[str, Any]) -> str:
    """Return the line above a table: date, commit, machine, load average and length."""
    machine = results["machine"]
    return (
        f"{results['date']}, commit `{results['commit']}`, {machine['cores']} cores, load average"
        f" {machine['load_before']:.1f} before and {machine['load_after']:.1f} after, niceness"
        f" {machine['nice']}, {results['minutes']:.0f} minutes:"
    )


def markdown(
    results: Mapping[str, Any], titles: Sequence[str], align: str, rows: Iterable[Iterable[str]]
) -> str:
    """Return a table for the documentation, below its caption.

    Args:
        results: The results, with what `Record.as_dict` says of them.
        titles: Titles of the columns.
        align: "l" or "r" for each column: on the left or on the right.
        rows: The columns of each row.
    """
    rules = ("--:" if each == "r" else "---" for each in align)
    lines = (f"| {' | '.join(row)} |" for row in (titles, *rows))
    head, *body = lines
    return "\n".join([caption(results), "", head, f"|{'|'.join(rules)}|", *body])


def list_trials(titles: Mapping[str, str]) -> int:
    """Print what --only chooses from, for --list; return the exit code."""
    width = max(map(len, titles)) + 2
    for name, title in titles.items():
        say(f"{name:{width}}{title}")
    return 0


def aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row of the terminal: the first cell on the left, numbers on the right."""
    first, *others = zip(cells, widths, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
