"""The process that ends what a `ProcessGroup` started, however the group's owner ended.

There is one small reaper per group, in a separate session. It reads a pipe whose other end the
owner holds. The pipe closes when the group ends and when the owner is killed, even by `kill -9`.
Then the reaper ends the processes listed in the group's folder, last started first, and removes the
folder. This is the only way to stop, so it is used each time, and a second Ctrl-C cannot interrupt
it.

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

from straingauge.process_start import process_start_s

STATE = "run.json"
POLL_S = 0.02
LEFTOVERS_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, distinguished from a later one with the same PID."""

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Return the current process with a PID.

        Raises:
            psutil.NoSuchProcess: There is none.
        """
        return cls(pid, process_start_s(pid))

    def is_alive(self) -> bool:
        """Return true if the process runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = process_start_s(self.pid) == self.started_at
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class Group:
    """A started process group, and how to end it."""

    leader: Identity
    stop_signal: int
    grace_s: float

    def end(self) -> None:
        """Ask the leader to end, then its descendants, then kill them; within the grace times."""
        descendants = self._descendants()
        if self.leader.is_alive():
            with suppress(ProcessLookupError):  # it has ended
                os.kill(self.leader.pid, self.stop_signal)
            wait_until(lambda: not self.leader.is_alive(), self.grace_s)
        for number in (signal.SIGTERM, signal.SIGKILL):
            wait_until(lambda: not self._remaining(descendants), LEFTOVERS_GRACE_S)
            for pid in self._remaining(descendants):
                with suppress(ProcessLookupError):  # it has ended
                    os.kill(pid, number)

    def _descendants(self) -> list[Identity]:
        """Return all descendants of the leader, also those in other process groups."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.leader.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    found.append(Identity.of(child.pid))
        return found

    def _remaining(self, descendants: list[Identity]) -> set[int]:
        """Return the PIDs of the leader's group and of its descendants that still run."""
        group = {pid for pid in psutil.pids() if _group_of(pid) == self.leader.pid}
        return group | {each.pid for each in descendants if each.is_alive()}


@dataclass(frozen=True, slots=True)
class State:
    """The state file of a group: its owner, and the process groups in the order of their start."""

    owner: Identity
    groups: tuple[Group, ...] = ()

    def write(self, folder: Path) -> None:
        """Write the state to a folder, atomically."""
        draft = folder / f"{STATE}.new"
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(folder / STATE)

    @classmethod
    def read(cls, folder: Path) -> "State":
        """Read the state in a folder.

        Raises:
            OSError: There is none, or the folder does not exist.
        """
        text = json.loads((folder / STATE).read_text())
        groups = (
            Group(**{**group, "leader": Identity(**group["leader"])}) for group in text["groups"]
        )
        return cls(Identity(**text["owner"]), tuple(groups))


def clean(folder: Path) -> None:
    """End the processes of a group, last started first, and remove its folder."""
    try:
        state = State.read(folder)
    except FileNotFoundError:
        return  # another reaper, or the sweep of a later group, was faster
    for group in reversed(state.groups):
        group.end()
    shutil.rmtree(folder, ignore_errors=True)  # two may clean at once; the rest is swept later


def wait_until(condition: Callable[[], bool], deadline_s: float) -> bool:
    """Poll until a condition holds; return false if it does not within the deadline."""
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
    """Wait until the owner has closed the pipe or has ended.

    A fork of the owner may hold the pipe open, so the parent's PID is checked as well.
    """
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable:
            return


def main() -> None:
    """Run the reaper; arguments: the group's folder and the PID of its owner."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the owner decides when the group ends
    folder, parent = sys.argv[1:]
    _await_end_of(int(parent))
    clean(Path(folder))
