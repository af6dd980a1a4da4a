"""Ends what a run started, however the run itself ended.

One small process per run, in a session of its own. It reads a pipe whose other end the run holds:
the pipe closes when the run is over and when the run is killed, by `kill -9` too. Then the keeper
ends the processes listed in the run's folder, last started first, and removes the folder. So there
is one way to stop, walked after every run, and a second Ctrl-C cannot cut it short.

Linux's PR_SET_PDEATHSIG is not used: it is tied to the thread that started the child, is lost on a
change of user, and reaches no grandchildren.
"""

import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

STATE = "run.json"
POLL_S = 0.02
LEFTOVERS_GRACE_S = 2.0
# psutil derives start times from the wall clock, which may be stepped a little while we run.
CLOCK_TOLERANCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told apart from a later one that was given the same number."""

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """The process that has this number now.

        Raises:
            psutil.NoSuchProcess: There is none.
        """
        return cls(pid, psutil.Process(pid).create_time())

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) < CLOCK_TOLERANCE_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class Group:
    """A process group the run started, and how to end it."""

    leader: Identity
    stop_signal: int
    grace_s: float

    def end(self) -> None:
        """Asks the leader, then what it left behind, then insists; bounded by the graces."""
        family = self._descendants()
        if self.leader.alive():
            with suppress(ProcessLookupError):  # it ended by itself, and its parent knows
                os.kill(self.leader.pid, self.stop_signal)
            wait_until(lambda: not self.leader.alive(), self.grace_s)
        for number in (signal.SIGTERM, signal.SIGKILL):
            wait_until(lambda: not self._left(family), LEFTOVERS_GRACE_S)
            for pid in self._left(family):
                with suppress(ProcessLookupError):  # ended since we looked
                    os.kill(pid, number)

    def _descendants(self) -> list[Identity]:
        """Its children and theirs, also those that made a group of their own."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.leader.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    found.append(Identity(child.pid, child.create_time()))
        return found

    def _left(self, family: list[Identity]) -> set[int]:
        """Who still runs: of the leader's group, and of the descendants it had."""
        group = {pid for pid in psutil.pids() if _group_of(pid) == self.leader.pid}
        return group | {member.pid for member in family if member.alive()}


@dataclass(frozen=True, slots=True)
class State:
    """What stands in a run's folder: who owns it, and what to end, in the order of starting."""

    owner: Identity
    groups: tuple[Group, ...] = ()

    def write(self, folder: Path) -> None:
        """Replaces the folder's state in one step: a reader sees the old one or the new one."""
        draft = folder / f"{STATE}.new"
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(folder / STATE)

    @classmethod
    def read(cls, folder: Path) -> "State":
        """The state a run left.

        Raises:
            OSError: The folder holds none, or is gone.
        """
        text = json.loads((folder / STATE).read_text())
        groups = (
            Group(**{**group, "leader": Identity(**group["leader"])}) for group in text["groups"]
        )
        return cls(Identity(**text["owner"]), tuple(groups))


def clean(folder: Path) -> None:
    """Ends the run's processes, last started first, and removes its folder."""
    try:
        state = State.read(folder)
    except FileNotFoundError:
        return  # another keeper, or the sweep of a later run, was quicker
    for group in reversed(state.groups):
        group.end()
    shutil.rmtree(folder, ignore_errors=True)  # two cleaners may meet; what is left is swept later


def wait_until(condition: Callable[[], bool], deadline_s: float) -> bool:
    """Polls until the condition holds; False when it did not within the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_S)
    return True


def _group_of(pid: int) -> int | None:
    try:
        zombie = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return None if zombie else os.getpgid(pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


def _await_end_of(parent: int) -> None:
    """Returns when the run has closed its pipe or is gone.

    A process that the run forked holds the pipe open too, hence the look at the parent's number.
    """
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable:
            return


def main() -> None:
    """The keeper's process; arguments: the run's folder and the number of its process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the run decides when it is over
    folder, parent = sys.argv[1:]
    _await_end_of(int(parent))
    clean(Path(folder))
