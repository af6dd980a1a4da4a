"""The options of a campaign, and the record of its results: when, where, on which commit."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
END = "\n<!-- end of results -->"
MAX_TIMES = 1000
MAX_MINUTES = 1440.0


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
    def begin(self) -> str:
        """The marker in front of the table."""
        return f"<!-- results: {self.command} ARGS=--keep -->\n"

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
        """Replace the table of a page.

        Raises:
            ValueError: The page has no markers.
        """
        before, begin, rest = page.partition(self.begin)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{self.page} has no {self.begin.strip()} ... {END.strip()}")
        return f"{before}{begin}{table}{end}{after}"

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
            type=_name_parser(list(names), self.trials),
            metavar="NAMES",
            help=f"{self.trials}, separated by commas (default: all)",
        )
        if times is not None:
            parser.add_argument(
                "--times", type=count, default=times, help="trials of each (default: %(default)s)"
            )
        parser.add_argument(
            "--minutes",
            type=limit_minutes,
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
            "python": platform.python_version(),
            "machine": {
                "cpu": platform.machine(),
                "cores": os.cpu_count(),
                "nice": os.nice(0),
                "system": platform.system(),
                "load_before": round(self._load, 1),
                "load_after": round(os.getloadavg()[0], 1),
            },
            "minutes": round(self.elapsed_minutes, 1),
            **values,
        }


def caption(results: dict[str, Any]) -> str:
    """Return the line above a table: date, commit, machine, load average and length."""
    machine = results["machine"]
    return (
        f"{results['date']}, commit `{results['commit']}`, {machine['cores']} cores, load average"
        f" {machine['load_before']:.1f} before and {machine['load_after']:.1f} after, niceness"
        f" {machine['nice']}, {results['minutes']:.0f} minutes:"
    )


def commit() -> str:
    """Return the short name of the commit; with "+" if files of git have changed since."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row of the terminal: the first cell on the left, numbers on the right."""
    first, *others = zip(cells, widths, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)


def count(text: str) -> int:
    """Parse a number of trials."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_TIMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_TIMES}")
    return int(text)


def limit_minutes(text: str) -> float:
    """Parse a time limit."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of minutes above 0 up to {MAX_MINUTES:g}"
        )
    return value


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _name_parser(known: Sequence[str], plural: str) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",")]
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is none of the {plural}; choose from {', '.join(known)}"
                )
        return found

    return names
