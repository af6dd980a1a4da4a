"""The disturbances of `make chaos-instrument`."""

import random
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from campaigns.instrument.judgement import Expectation, Trial
from campaigns.instrument.programs import (
    LOCUST,
    PYTEST,
    RUN,
    XDIST,
    Program,
    Victims,
    children,
    parent,
)
from campaigns.instrument.scene import Scene


@dataclass(frozen=True)
class Disturbance:
    """A signal to a process of a load, or another disturbance.

    Attributes:
        name: Its name for --only.
        title: Its name in the table.
        program: The program that sends the load.
        strike: Disturbs a scene.
        expected: What must hold after it.
        prefix: What the program's command line begins with.
        options: Further options of the program.
        environment: Further environment variables of the program.
    """

    name: str
    title: str
    program: Program
    strike: Callable[[Scene], None]
    expected: Expectation = field(default_factory=Expectation)
    prefix: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, chance: random.Random) -> Trial:
        """Run one trial."""
        trial = Trial(self.name)
        with (
            tempfile.TemporaryDirectory(prefix="campaign-") as name,
            Scene(Path(name), chance) as scene,
        ):
            try:
                command = self.program.command_line(scene.server.url, *self.options)
                scene.start([*self.prefix, *command], self.environment)
                scene.disturb(trial, self.strike)
            except (OSError, RuntimeError, psutil.Error) as error:
                trial.problem = f"{type(error).__name__}: {error}"
        return trial


SIGNALS: Final = {
    "kill": signal.SIGKILL,
    "term": signal.SIGTERM,
    "int": signal.SIGINT,
    "hup": signal.SIGHUP,
    "stop": signal.SIGSTOP,
}
TITLES: Final = {
    "kill": "kill -9",
    "term": "SIGTERM",
    "int": "SIGINT",
    "hup": "SIGHUP",
    "stop": "SIGSTOP 5 s",
}


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
    """

    title: str
    program: Program
    victims: Victims
    writes: bool
    sends: bool
    ignores: tuple[str, ...] = ()


TARGETS: Final = {
    "generator": Target("straingauge run", RUN, parent, writes=True, sends=False),
    "worker": Target("a worker of it", RUN, children, writes=False, sends=True, ignores=("int",)),
    "pytest": Target("pytest without workers", PYTEST, parent, writes=True, sends=True),
    "controller": Target("controller of pytest-xdist", XDIST, parent, writes=True, sends=False),
    "pytest-worker": Target("a pytest worker", XDIST, children, writes=False, sends=True),
    "master": Target("Locust's master", LOCUST, parent, writes=True, sends=False),
    "locust-worker": Target("a Locust worker", LOCUST, children, writes=False, sends=True),
}


def _expectation(target: Target, name: str) -> Expectation:
    if name == "stop":
        return Expectation(is_loss=target.sends)
    if name in target.ignores:
        return Expectation(is_loss=False)
    return Expectation(is_all_lost=name == "kill" and target.writes)


def _striker(target: Target, number: signal.Signals) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        found = target.victims(psutil.Process(scene.program.pid))
        scene.signal(scene.chance.choice(found), number)

    return strike


ALL: Final = {
    each.name: each
    for each in (
        Disturbance(
            f"{target}-{name}",
            f"{TITLES[name]}: {TARGETS[target].title}",
            TARGETS[target].program,
            _striker(TARGETS[target], number),
            _expectation(TARGETS[target], name),
        )
        for target in TARGETS
        for name, number in SIGNALS.items()
    )
}
