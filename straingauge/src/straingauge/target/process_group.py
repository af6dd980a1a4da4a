"""One run of the stand: a throw-away folder and the processes that live and die with it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

import psutil

from straingauge.errors import TargetError
from straingauge.target.reaper import Group, Identity, State, clean

PREFIX = "straingauge-run-"
STALE_S = 60.0
KEEPER = "from straingauge.target.reaper import main; main()"
LOG_TAIL_LINES = 20
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Account:
    """The user a process runs as, when it is not our own."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the run, leader of a group of its own."""

    name: str
    popen: subprocess.Popen[bytes]
    log_path: Path | None

    def log_tail(self) -> str:
        """The last lines it wrote, indented, for an error message."""
        if self.log_path is None:
            return ""
        lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "".join(f"\n    {line}" for line in lines) or "\n    (it wrote nothing)"

    def exited_within(self, seconds: float) -> bool:
        """Waits at most so long for its end; the interval of every poll of a condition."""
        try:
            self.popen.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class ProcessGroup:
    """Starts processes that end with this one, whatever way it ends.

    Use as a context manager. On leaving, and when this process dies, a keeper (see
    `straingauge.target.reaper`) ends them, last started first, and removes the folder. What a run
    and its keeper together left behind (the machine went down) is swept by the next run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: list[Group] = []
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        sweep(temp_folder())
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temp_folder()))
        self._owner = Identity.of(os.getpid())
        self._save([])
        self._keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, self.folder, str(os.getpid())],
            stdin=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._keeper.stdin is not None
        # A word, not only the closed pipe: a process forked from this one may hold the pipe open.
        with suppress(BrokenPipeError):  # the keeper was killed: the next lines do its work
            self._keeper.stdin.write(b"over\n")
        self._keeper.wait()
        clean(self.folder)
        self._groups.clear()
        for child in self._children:
            child.popen.wait()
        self._keeper.stdin.close()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        stop_signal: int = signal.SIGTERM,
        grace_s: float = 10.0,
        log: bool = True,
    ) -> Child:
        """Starts a process that ends with the run.

        Args:
            name: What it is called in messages and in its log's file name.
            command: The program and its arguments.
            cwd: Where it runs; the run's folder by default.
            env: Its whole environment; ours by default.
            account: The user it runs as; our own by default.
            stop_signal: What asks it to end.
            grace_s: How long it may take to end before it is killed.
            log: Whether its output goes to a file in the folder, or where ours goes.

        Raises:
            TargetError: The program cannot be started.
        """
        log_path = self.folder / f"{name.replace(' ', '-')}.log" if log else None
        output = log_path.open("wb") if log_path else None
        with _signals_later():  # or a process would be started that nobody knows of
            try:
                popen = self._spawn(command, cwd or self.folder, env, account, output)
            except OSError as error:
                raise TargetError(
                    f"{name} cannot be started: {error}", f"look at its command: {command[0]}"
                ) from error
            finally:
                if output:
                    output.close()
            child = Child(name, popen, log_path)
            self._children.append(child)
            # Else it has ended already, and there is nothing to keep.
            with suppress(psutil.NoSuchProcess), self._lock:
                group = Group(Identity.of(popen.pid), stop_signal, grace_s)
                self._save([*self._groups, group])
        return child

    def call(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
    ) -> None:
        """Runs a command to its end.

        Raises:
            TargetError: It cannot be started, or ends with another code than 0.
        """
        child = self.start(name, command, cwd=cwd, env=env, account=account)
        code = child.popen.wait()
        self._forget(child)  # it is over; its number may soon be another's
        if code:
            shown = " ".join(str(part) for part in command)
            raise TargetError(
                f"{name} failed with exit code {code}:{child.log_tail()}", f"run it alone: {shown}"
            )

    def end(self, child: Child) -> None:
        """End one process before the run does; one that has been ended already stays so."""
        for group in list(self._groups):
            if group.leader.pid == child.popen.pid:
                group.end()
        child.popen.wait()
        self._forget(child)

    def _spawn(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        env: Mapping[str, str] | None,
        account: Account | None,
        output: IO[bytes] | None,
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,  # a Ctrl-C in the terminal reaches us alone; we end the rest
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    def _forget(self, child: Child) -> None:
        with self._lock:
            others = [each for each in self._groups if each.leader.pid != child.popen.pid]
            if others != self._groups:
                self._save(others)

    def _save(self, groups: list[Group]) -> None:
        self._groups = groups
        State(self._owner, tuple(groups)).write(self.folder)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Hold back what would interrupt us, and deal with it at the end.

    By handlers, not by a mask: a process that is started meanwhile would inherit the mask.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal is handled here
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    for interruption in INTERRUPTIONS:
        handler = signal.getsignal(interruption)
        if callable(handler):
            handlers[interruption] = handler
            signal.signal(interruption, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number, frame in came:
        handlers[number](number, frame)


def sweep(parent: Path) -> None:
    """Cleans up after runs whose process is dead.

    Only folders of this user: another's could name any process for us to end.
    """
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.geteuid() or folder.is_symlink():
                continue
            owner = State.read(folder).owner
        except FileNotFoundError:
            # Ended meanwhile, or its process died (or lives) between folder and state.
            if folder.exists() and time.time() - folder.lstat().st_mtime > STALE_S:
                shutil.rmtree(folder, ignore_errors=True)
            continue
        if not owner.alive():
            clean(folder)


def temp_folder() -> Path:
    """The first temporary folder that another user can pass through, for PostgreSQL's sake."""
    candidates = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - only looked at; folders in it are made by mkdtemp
    return next((path for path in candidates if passable(path)), candidates[0])


def passable(path: Path) -> bool:
    """Whether every user may enter the folder and each of its parents."""
    folder = path.resolve()
    return all(part.is_dir() and part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
