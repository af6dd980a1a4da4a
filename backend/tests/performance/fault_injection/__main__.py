"""Inject faults into the service and check that the load tests detect them.

Each fault of the catalogue is injected into the real service, the seven load tests are run against
it, and they must detect it and name its cause. Against healthy services they must not alarm.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from tests.performance.fault_injection.catalogue import ALL, FAULTS, HEALTHY, Fault, select
from tests.performance.fault_injection.runner import Runner, run_trial
from tests.performance.fault_injection.service_factory import ServiceFactory
from tests.performance.fault_injection.table import as_markdown, header, row, summary
from tests.performance.fault_injection.trial import Trial

from straingauge import StraingaugeError

MIN_CORRECT_CAUSES = 35 / 37
"""Share of faults for which the first cause in the diagnosis must be correct."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials and print the table.

    Returns:
        0 if all faults were detected, nearly all with the correct cause, and no healthy service
        raised an alarm; otherwise 1.
    """
    options = _parse(arguments)
    console = Console(highlight=False, soft_wrap=True)
    if options.list:
        for fault in ALL.values():
            causes = ", ".join(fault.causes) or "healthy"
            console.print(f"{fault.name:22}{fault.description}  {causes}")
        return 0
    trials: list[Trial] = []
    try:
        faults = select(options.names) or [*FAULTS, *HEALTHY]
        repeated = _repeat_healthy(faults, options.healthy_rounds)
        for trial in _run_trials(repeated, console, options.results, options.runner):
            trials.append(trial)
            for path in options.out:  # after each trial, so an interrupted run leaves a table
                _write(path, trials, _command(arguments))
    except StraingaugeError as error:
        console.print(f"{error}" + (f"\n  try: {error.hint}" if error.hint else ""), style="red")
        return error.exit_code
    except KeyboardInterrupt:
        console.print(summary(trials))
        return 130
    console.print(summary(trials))
    with_fault = [trial for trial in trials if not trial.fault.is_healthy]
    correct_causes = sum(trial.is_cause_correct for trial in with_fault)
    if correct_causes < MIN_CORRECT_CAUSES * len(with_fault):
        return 1
    return 0 if all(trial.is_correct for trial in trials) else 1


def _run_trials(
    faults: Iterable[Fault], console: Console, results: Path | None, runner: Runner
) -> Iterator[Trial]:
    with tempfile.TemporaryDirectory() as temporary, ServiceFactory() as factory:
        folder = results or Path(temporary)
        console.print(header(), style="bold")
        for fault in faults:
            trial = _run_trial(fault, factory, folder, runner)
            console.print(row(trial), style=None if trial.is_correct else "red")
            yield trial


def _run_trial(fault: Fault, factory: ServiceFactory, results: Path, runner: Runner) -> Trial:
    """Run a trial, and repeat it once if the load generator was overloaded."""
    trial = run_trial(fault, factory, _folder(results, fault), runner=runner)
    if trial.is_disturbed:
        folder = _folder(results, fault)
        trial = run_trial(fault, factory, folder, repeated=True, runner=runner)
    return trial


def _folder(results: Path, fault: Fault) -> Path:
    return results / fault.name / f"{time.time_ns()}"


def _repeat_healthy(faults: Sequence[Fault], rounds: int) -> list[Fault]:
    """Return the faults once, and the healthy services `rounds` times."""
    with_fault = [fault for fault in faults if not fault.is_healthy]
    return with_fault + rounds * [fault for fault in faults if fault.is_healthy]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        help="faults to inject, or the groups faults, healthy, held_out"
        " (default: faults and healthy)",
    )
    parser.add_argument("--list", action="store_true", help="list all faults and exit")
    parser.add_argument(
        "--healthy-rounds",
        type=int,
        default=1,
        metavar="N",
        help="repetitions of each healthy service (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        help="write the table to this .md or .json file; repeatable",
    )
    parser.add_argument(
        "--locust",
        dest="runner",
        action="store_const",
        const="locust",
        default="pytest",
        help="run Locust's load_test.py instead of pytest_load_test.py",
    )
    parser.add_argument(
        "--remote",
        dest="runner",
        action="store_const",
        const="remote",
        help="run the load tests on a simulated remote machine: with another"
        " address, without access to the service's processes, and with a database"
        " role that can only read statistics (needs root)",
    )
    parser.add_argument(
        "--results", type=Path, help="folder for the result files (default: a temporary one)"
    )
    return parser.parse_args(arguments)


def _command(arguments: Sequence[str] | None) -> str:
    text = " ".join(sys.argv[1:] if arguments is None else arguments)
    return f'make faults ARGS="{text}"' if text else "make faults"


def _write(path: Path, trials: Sequence[Trial], command: str) -> None:
    if path.suffix == ".json":
        text = json.dumps([trial.as_dict() for trial in trials], indent=1) + "\n"
    else:
        text = as_markdown(trials, command)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
