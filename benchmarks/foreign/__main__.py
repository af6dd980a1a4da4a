"""Inject faults into services that were not written here, and check that a run detects them.

The faults are planted from outside: around the application, in the database, in the settings, in
the network. The services' code stays as it is.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from catalogue import SERVICES, faults_of
from rich.console import Console
from tests.performance.fault_injection.table import as_markdown, header, row, summary
from tests.performance.fault_injection.trial import Trial
from trials import ForeignService

from straingauge import StraingaugeError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials and print the table.

    Returns:
        0 if all faults were detected and no healthy service raised an alarm; otherwise 1.
    """
    options = _parse(arguments)
    console = Console(highlight=False, soft_wrap=True)
    known = {fault.name: fault for fault in faults_of(options.service)}
    if options.list:
        for fault in known.values():
            causes = ", ".join(fault.causes) or "healthy"
            console.print(f"{fault.name:22}{fault.description}  {causes}", markup=False)
        return 0
    trials: list[Trial] = []
    try:
        unknown = set(options.names) - set(known)
        if unknown:
            raise UsageError(f"unknown fault: {min(unknown)}", "add --list to see all")
        chosen = options.names or list(known)
        rounds = [name for name in chosen for _ in range(options.rounds if _healthy(name) else 1)]
        with tempfile.TemporaryDirectory() as temporary, ForeignService(options.service) as service:
            console.print(header(), style="bold")
            for name in rounds:
                folder = (options.results or Path(temporary)).resolve() / name / f"{time.time_ns()}"
                trial = service.run(known[name], folder)
                if trial.is_disturbed:
                    trial = service.run(known[name], folder.with_suffix(".2"), repeated=True)
                trials.append(trial)
                console.print(row(trial), style=None if trial.is_correct else "red", markup=False)
                for path in options.out:  # after each trial, so an interrupted run leaves a table
                    path.write_text(as_markdown(trials, _command(arguments)))
    except StraingaugeError as error:
        console.print(f"{error}" + (f"\n  try: {error.hint}" if error.hint else ""), style="red")
        return error.exit_code
    except KeyboardInterrupt:
        console.print(summary(trials))
        return 130
    console.print(summary(trials))
    return 0 if all(trial.is_correct for trial in trials) else 1


def _healthy(name: str) -> bool:
    return name == "unmodified"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="faults to inject (default: all)")
    parser.add_argument("--service", choices=sorted(SERVICES), required=True)
    parser.add_argument("--list", action="store_true", help="list all faults and exit")
    parser.add_argument(
        "--healthy-rounds",
        dest="rounds",
        type=int,
        default=3,
        metavar="N",
        help="repetitions of the healthy service (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, action="append", default=[], help="write the table to this .md file"
    )
    parser.add_argument(
        "--results", type=Path, help="folder for the result files (default: a temporary one)"
    )
    return parser.parse_args(arguments)


def _command(arguments: Sequence[str] | None) -> str:
    return f'make faults ARGS="{" ".join(sys.argv[1:] if arguments is None else arguments)}"'


if __name__ == "__main__":
    sys.exit(main())
