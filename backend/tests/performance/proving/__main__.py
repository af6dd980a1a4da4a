"""The proving ground: `python -m tests.performance.proving --help`, or `make prove`.

A load test that finds nothing proves nothing, and one that always alarms is switched off. So each
fault of the catalogue is planted in the real service, the seven load tests are run against it, and
they must find it and name its cause; and against healthy services, where they must keep silent.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from tests.performance.proving.catalogue import ALL, FAULTS, HEALTHY, Plant, named
from tests.performance.proving.ground import Ground
from tests.performance.proving.table import as_markdown, headline, line, score
from tests.performance.proving.trial import How, Trial, attempt

from straingauge import StraingaugeError

NAMED = 27 / 29
"""So many of the faults' causes must be named first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, and look.

    Returns:
        0 when all was found, nearly all named, and no healthy service alarmed; else 1.
    """
    wanted = _read(arguments)
    console = Console(highlight=False, soft_wrap=True)
    if wanted.list:
        for plant in ALL.values():
            console.print(f"{plant.name:22}{plant.what}  {', '.join(plant.causes) or 'healthy'}")
        return 0
    trials: list[Trial] = []
    try:
        plants = named(wanted.names) or [*FAULTS, *HEALTHY]
        tried = _rounds(plants, wanted.healthy_rounds)
        for trial in _proved(tried, console, wanted.results, wanted.how):
            trials.append(trial)
            for path in wanted.out:  # after each: what is interrupted is kept
                _write(path, trials, _command(arguments))
    except StraingaugeError as error:
        console.print(f"{error}" + (f"\n  try: {error.hint}" if error.hint else ""), style="red")
        return error.exit_code
    except KeyboardInterrupt:
        console.print(score(trials))
        return 130
    console.print(score(trials))
    faults = [trial for trial in trials if not trial.plant.is_healthy]
    enough = sum(trial.named for trial in faults) >= NAMED * len(faults)
    return 0 if enough and all(trial.right for trial in trials) else 1


def _proved(
    plants: Iterable[Plant], console: Console, results: Path | None, how: How
) -> Iterator[Trial]:
    with tempfile.TemporaryDirectory() as folder, Ground() as ground:
        kept = results or Path(folder)
        console.print(headline(), style="bold")
        for plant in plants:
            trial = _tried(plant, ground, kept, how)
            console.print(line(trial), style=None if trial.right else "red")
            yield trial


def _tried(plant: Plant, ground: Ground, results: Path, how: How) -> Trial:
    """Try once, and once more when this machine was too busy to tell."""
    trial = attempt(plant, ground, _folder(results, plant), how=how)
    if trial.disturbed:
        trial = attempt(plant, ground, _folder(results, plant), repeated=True, how=how)
    return trial


def _folder(results: Path, plant: Plant) -> Path:
    return results / plant.name / f"{time.time_ns()}"


def _rounds(plants: Sequence[Plant], rounds: int) -> list[Plant]:
    """The faults once, the healthy services this often."""
    faults = [plant for plant in plants if not plant.is_healthy]
    return faults + rounds * [plant for plant in plants if plant.is_healthy]


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make prove", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        help="what to plant, or faults, healthy, further (default: faults and healthy)",
    )
    parser.add_argument("--list", action="store_true", help="say what can be planted")
    parser.add_argument("--healthy-rounds", type=int, default=1, metavar="N",
                        help="how often each healthy service is tried")  # fmt: skip
    parser.add_argument("--out", type=Path, action="append", default=[],
                        help="write the table here, .md or .json; repeatable")  # fmt: skip
    parser.add_argument("--locust", dest="how", action="store_const", const="locust",
                        default="pytest",
                        help="by Locust's load_test.py, not by pytest's seven")  # fmt: skip
    parser.add_argument("--elsewhere", dest="how", action="store_const", const="elsewhere",
                        help="from a machine of its own: another address, no process of the service"
                        " in sight, a role that reads statistics only (needs root)")  # fmt: skip
    parser.add_argument("--results", type=Path, help="keep the result files in this folder")
    return parser.parse_args(arguments)


def _command(arguments: Sequence[str] | None) -> str:
    given = " ".join(sys.argv[1:] if arguments is None else arguments)
    return f'make prove ARGS="{given}"' if given else "make prove"


def _write(path: Path, trials: Sequence[Trial], command: str) -> None:
    if path.suffix == ".json":
        text = json.dumps([trial.as_dict() for trial in trials], indent=1) + "\n"
    else:
        text = as_markdown(trials, command)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
