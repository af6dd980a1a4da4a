"""Inject faults into services that were not written here, and check that a run detects them.

The faults are planted from outside: around the application, in the database, in the settings, in
the network. The services' code stays as it is.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import SubprocessError

from asyncpg import PostgresError
from catalogue import SERVICES, PlantedFault, faults_of
from rich.console import Console
from stored_trials import StoredTrials
from straingauge.verdict import Thresholds
from tests.performance.fault_injection.table import as_markdown, header, row, summary
from tests.performance.fault_injection.trial import Trial, failed_trial
from trials import ENVIRONMENTS, FOREIGN, ForeignService

from straingauge import StraingaugeError, UsageError

ALL = "all"
FAILURES = (StraingaugeError, SubprocessError, PostgresError, OSError)
"""Errors of one trial, which are rows of the table; the other trials go on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials and print the table.

    Returns:
        0 if all faults were detected and no healthy service raised an alarm; otherwise 1.
    """
    options = _parse(arguments)
    console = Console(highlight=False, soft_wrap=True)
    trials: list[Trial] = []
    try:
        for service in list(SERVICES) if options.service == ALL else [options.service]:
            faults = _select(service, options.names)
            if options.list:
                _print_list(faults, console)
                continue
            console.print(f"{service}\n{header()}", style="bold", markup=False)
            for trial in _trials(service, faults, options):
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
    if not options.list:
        console.print(summary(trials))
    return 0 if all(trial.is_correct for trial in trials) else 1


def _print_list(faults: Sequence[PlantedFault], console: Console) -> None:
    for fault in faults:
        causes = ", ".join(fault.causes) or "healthy"
        console.print(f"{fault.name:22}{fault.description}  {causes}", markup=False)


def _select(service: str, names: Sequence[str]) -> list[PlantedFault]:
    """Return the faults of a service with these names; all without any.

    Raises:
        UsageError: A name is unknown.
    """
    known = {fault.name: fault for fault in faults_of(service)}
    unknown = set(names) - set(known)
    if unknown:
        raise UsageError(f"unknown fault of {service}: {min(unknown)}", "add --list to see all")
    return [known[name] for name in names or known]


def _trials(
    name: str, faults: Sequence[PlantedFault], options: argparse.Namespace
) -> Iterator[Trial]:
    """Yield the trials of a service; those that are stored already if the options say so."""
    thresholds = Thresholds.read(FOREIGN / name / "thresholds.toml")
    stored = StoredTrials(options.results / name, thresholds)
    missing: list[PlantedFault] = []
    for fault in faults:
        wanted = options.rounds if fault.is_healthy else 1
        found = stored.latest(fault, wanted) if options.resume or options.diagnose else []
        yield from found
        missing += [fault] * (0 if options.diagnose else wanted - len(found))
    if not missing:
        return
    with ExitStack() as stack:
        try:
            service = stack.enter_context(ForeignService(name))
        except FAILURES as error:  # it cannot be installed, or does not start
            yield from (failed_trial(fault, error, duration_s=0) for fault in missing)
            return
        for fault in missing:
            yield _run(service, fault, stored)


def _run(service: ForeignService, fault: PlantedFault, stored: StoredTrials) -> Trial:
    """Run a trial, and repeat it once if the load generator was overloaded."""
    began_s = time.monotonic()
    try:
        trial = service.run(fault, stored.new_folder(fault))
        if trial.is_disturbed:
            trial = service.run(fault, stored.new_folder(fault), repeated=True)
    except FAILURES as error:
        return failed_trial(fault, error, duration_s=time.monotonic() - began_s)
    return trial


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="faults to inject (default: all)")
    parser.add_argument("--service", choices=[*sorted(SERVICES), ALL], required=True)
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
        "--results",
        type=Path,
        default=ENVIRONMENTS / "results",
        metavar="FOLDER",
        help="folder of the result files (default: build/foreign/results)",
    )
    reuse = parser.add_mutually_exclusive_group()
    reuse.add_argument(
        "--resume", action="store_true", help="run only what has no stored result yet"
    )
    reuse.add_argument(
        "--diagnose",
        action="store_true",
        help="run nothing: apply the present thresholds and rules to the stored results",
    )
    return parser.parse_args(arguments)


def _command(arguments: Sequence[str] | None) -> str:
    return f'make faults ARGS="{" ".join(sys.argv[1:] if arguments is None else arguments)}"'
