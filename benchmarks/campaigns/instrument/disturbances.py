"""The disturbances of `make chaos-instrument`."""

import math
import random
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from campaigns.instrument import surroundings
from campaigns.instrument.judgement import Expectation, Trial
from campaigns.instrument.programs import (
    AB,
    CAPACITY,
    LOCUST,
    LOCUST_ALONE,
    PYTEST,
    RUN,
    XDIST,
    Program,
    Victims,
    children,
    parent,
    standby,
)
from campaigns.instrument.scene import STOPPED_S, Scene
from campaigns.instrument.surroundings import Around

from straingauge import StraingaugeError


@dataclass(frozen=True)
class Disturbance:
    """A signal to a process of a load, or a failure of what surrounds it.

    Attributes:
        name: Its name for --only.
        title: Its name in the table.
        program: The program that sends the load.
        strike: Disturbs a scene.
        expected: What must hold after it.
        around: Makes the surroundings, in the namespaces of the campaign.
    """

    name: str
    title: str
    program: Program
    strike: Callable[[Scene], None]
    expected: Expectation = field(default_factory=Expectation)
    around: Around = surroundings.nothing

    @property
    def needs_namespaces(self) -> bool:
        """It changes file systems, addresses or names of the machine."""
        return self.around not in {surroundings.nothing, surroundings.database}

    def run(self, chance: random.Random) -> Trial:
        """Run one trial."""
        trial = Trial(self.name)
        try:
            with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
                self._run(trial, Path(folder), chance)
        except (OSError, RuntimeError, psutil.Error, StraingaugeError) as error:
            trial.problem = f"{type(error).__name__}: {error}"
        return trial

    def _run(self, trial: Trial, folder: Path, chance: random.Random) -> None:
        with self.around(folder) as around, Scene(folder, chance, around.address) as scene:
            url = f"http://{around.name or around.address}:{scene.server.port}"
            scene.start(self.program.command_line(url, *around.options))
            scene.disturb(trial, self.strike)


SIGNALS: Final = {
    "kill": (signal.SIGKILL, "kill -9"),
    "term": (signal.SIGTERM, "SIGTERM"),
    "int": (signal.SIGINT, "SIGINT"),
    "hup": (signal.SIGHUP, "SIGHUP"),
    "stop": (signal.SIGSTOP, f"SIGSTOP {STOPPED_S:g} s"),
    "freeze": (signal.SIGSTOP, "SIGSTOP for ever"),
}
ENDED: Final = ("kill", "term", "int", "hup", "stop")


@dataclass(frozen=True)
class Target:
    """A process of a program.

    Attributes:
        title: Its name in the table.
        program: The program.
        victims: Finds it in the tree of the program's processes.
        writes: It writes the result.
        sends: It sends requests.
        ignores: Signals that it ignores, with what it does.
        signals: The signals that it gets.
        is_counted: See `Expectation`.
    """

    title: str
    program: Program
    victims: Victims
    writes: bool = False
    sends: bool = False
    ignores: tuple[str, ...] = ()
    signals: tuple[str, ...] = ENDED
    is_counted: bool = True


TARGETS: Final = {
    "generator": Target("straingauge run", RUN, parent, writes=True),
    "worker": Target(
        "a worker of it", RUN, children, sends=True, ignores=("int",), signals=(*ENDED, "freeze")
    ),
    "standby": Target(
        "the process that keeps its reports",
        *(RUN, standby),
        ignores=("kill", "stop"),
        signals=("kill", "stop"),
    ),
    "pytest": Target("pytest without workers", PYTEST, parent, writes=True, sends=True),
    "controller": Target("controller of pytest-xdist", XDIST, parent, writes=True),
    "pytest-worker": Target("a pytest worker", XDIST, children, sends=True),
    "locust": Target("Locust without workers", LOCUST_ALONE, parent, writes=True, sends=True),
    "master": Target("Locust's master", LOCUST, parent, writes=True),
    "locust-worker": Target("a Locust worker", LOCUST, children, sends=True),
    "capacity": Target(
        "straingauge capacity",
        *(CAPACITY, parent),
        writes=True,
        sends=True,
        signals=("kill", "term", "int"),
        is_counted=False,
    ),
    "ab": Target(
        *("straingauge ab", AB, parent),
        writes=True,
        signals=("kill", "term", "int"),
        is_counted=False,
    ),
}


def _expectation(target: Target, name: str) -> Expectation:
    if name == "stop":
        return Expectation(is_loss=target.sends)
    if name in target.ignores:
        return Expectation(is_loss=False)
    return Expectation(is_all_lost=name == "kill" and target.writes, is_counted=target.is_counted)


def _striker(target: Target, name: str) -> Callable[[Scene], None]:
    number, stopped_s = SIGNALS[name][0], math.inf if name == "freeze" else STOPPED_S

    def strike(scene: Scene) -> None:
        found = target.victims(psutil.Process(scene.program.pid))
        scene.signal(scene.chance.choice(found), number, stopped_s)

    return strike


@dataclass(frozen=True)
class Failure:
    """A failure of what surrounds a load.

    Attributes:
        name: The end of its disturbances' names.
        title: Its name in the table.
        strike: Lets it fail.
        expected: What must hold after it.
        around: Makes the surroundings.
        programs: The programs it is tried with.
    """

    name: str
    title: str
    strike: Callable[[Scene], None]
    expected: Expectation
    around: Around = surroundings.nothing
    programs: tuple[str, ...] = ("run", "locust")


def _written_elsewhere(why: str) -> Expectation:
    return Expectation(is_loss=False, says=f"{why}; it was written to .* instead")


PROGRAMS: Final = {
    "run": ("straingauge run", RUN),
    "pytest": ("pytest", PYTEST),
    "locust": ("Locust", LOCUST),
}
WHOLE: Final = Expectation(is_loss=False)
FAILING: Final = Expectation(is_loss=False, fails=True)
FAILURES: Final = (
    Failure(
        "disk-full",
        "results' disk full",
        surroundings.fill_disk,
        _written_elsewhere("No space left on device"),
        surroundings.small_disk,
        tuple(PROGRAMS),
    ),
    Failure(
        "disk-read-only",
        "results' disk read-only",
        surroundings.protect_disk,
        _written_elsewhere("Read-only file system"),
        surroundings.small_disk,
        ("run",),
    ),
    Failure(
        "disk-broken",
        "results' disk broken",
        surroundings.break_disk,
        _written_elsewhere("Input/output error"),
        surroundings.disk_of_blocks,
        ("run",),
    ),
    Failure("service-gone", "service killed", surroundings.kill_service, FAILING),
    Failure("service-stop", f"SIGSTOP {STOPPED_S:g} s: service", surroundings.stop_service, WHOLE),
    Failure(
        "address-gone",
        "service's address gone",
        surroundings.remove_address,
        FAILING,
        surroundings.second_address,
    ),
    Failure(
        "name-gone",
        "service's name gone",
        surroundings.forget_name,
        WHOLE,
        surroundings.name_of_service,
    ),
    Failure(
        "database-gone",
        "observed database killed",
        surroundings.kill_database,
        Expectation(is_loss=False, says="the database could not be queried"),
        surroundings.database,
        ("run",),
    ),
)


ALL: Final = {
    each.name: each
    for each in (
        *(
            Disturbance(
                f"{key}-{name}",
                f"{SIGNALS[name][1]}: {target.title}",
                target.program,
                _striker(target, name),
                _expectation(target, name),
            )
            for key, target in TARGETS.items()
            for name in target.signals
        ),
        *(
            Disturbance(
                f"{name}-{failure.name}",
                f"{failure.title}: {PROGRAMS[name][0]}",
                PROGRAMS[name][1],
                failure.strike,
                failure.expected,
                failure.around,
            )
            for failure in FAILURES
            for name in failure.programs
        ),
    )
}
