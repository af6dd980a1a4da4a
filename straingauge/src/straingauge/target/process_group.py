"""A temporary folder, and processes that end with the process that started them."""

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
REAPER = "from straingauge.target.reaper import main; main()"
LOG_TAIL_LINES = 20
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Account:
    """The user account that a process runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Child:
    """A started process, the leader of its process group."""

    name: str
    popen: subprocess.Popen[bytes]
    log_path: Path | None

    def log_tail(self) -> str:
        """Return the last lines of its log, indented, for an error message."""
        if self.log_path is None:
            return ""
        lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "".join(f"\n    {line}" for line in lines) or "\n    (no output)"

    def exited_within(self, seconds: float) -> bool:
        """Wait up to a number of seconds for its end; return true if it ended."""
        try:
            self.popen.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class ProcessGroup:
    """Processes that end with this one, however it ends.

    Use as a context manager. On leaving, and when this process dies, a reaper process (see
    `straingauge.target.reaper`) ends them, last started first, and removes the folder. If both die,
    because the machine crashed for example, the next group cleans up.
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
        self._reaper = subprocess.Popen(
            [sys.executable, "-c", REAPER, self.folder, str(os.getpid())],
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
        assert self._reaper.stdin is not None
        # Closing the pipe is not enough: a fork of this process may hold it open.
        with suppress(BrokenPipeError):  # the reaper was killed: the next lines do its work
            self._reaper.stdin.write(b"over\n")
        self._reaper.wait()
        clean(self.folder)
        self._groups.clear()
        for child in self._children:
            child.popen.wait()
        self._reaper.stdin.close()

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
        """Start a process that ends with the group.

        Args:
            name: Name in messages and of its log file.
            command: The program and its arguments.
            cwd: Working directory. Defaults to the group's folder.
            env: Complete environment. Defaults to that of this process.
            account: The user it runs as. Defaults to that of this process.
            stop_signal: Signal that asks it to end.
            grace_s: Seconds it may take to end before it is killed.
            log: Write its output to a file in the folder, instead of to this process's output.

        Raises:
            TargetError: The program cannot be started.
        """
        log_path = self.folder / f"{name.replace(' ', '-')}.log" if log else None
        output = log_path.open("wb") if log_path else None
        with _signals_later():  # an interrupt here would leave an unregistered process
            try:
                popen = self._spawn(command, cwd or self.folder, env, account, output)
            except OSError as error:
                raise TargetError(
                    f"{name} cannot be started: {error}", f"check its command: {command[0]}"
                ) from error
            finally:
                if output:
                    output.close()
            child = Child(name, popen, log_path)
            self._children.append(child)
            # If it has ended already, there is nothing to register.
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
        """Run a command and wait for its end.

        Raises:
            TargetError: It cannot be started, or its exit code is not 0.
        """
        child = self.start(name, command, cwd=cwd, env=env, account=account)
        code = child.popen.wait()
        self._forget(child)  # its PID may soon be reused
        if code:
            command_line = " ".join(str(part) for part in command)
            raise TargetError(
                f"{name} failed with exit code {code}:{child.log_tail()}",
                f"run it alone: {command_line}",
            )

    def end(self, child: Child) -> None:
        """End one process early; does nothing if it has ended already."""
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
            start_new_session=True,  # Ctrl-C reaches this process only
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
    """Delay interrupting signals until the end of the block.

    With handlers instead of a mask, which a process started meanwhile would inherit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread only
        return
    received: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    for interruption in INTERRUPTIONS:
        handler = signal.getsignal(interruption)
        if callable(handler):
            handlers[interruption] = handler
            signal.signal(interruption, lambda number, frame: received.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number, frame in received:
        handlers[number](number, frame)


def sweep(parent: Path) -> None:
    """Clean up after groups whose process has died.

    Only folders of this user are used: another user's could name any process to be ended.
    """
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.geteuid() or folder.is_symlink():
                continue
            owner = State.read(folder).owner
        except FileNotFoundError:
            # The group ended meanwhile, or its process is between creating folder and state.
            if folder.exists() and time.time() - folder.lstat().st_mtime > STALE_S:
                shutil.rmtree(folder, ignore_errors=True)
            continue
        if not owner.is_alive():
            clean(folder)


def temp_folder() -> Path:
    """Return the first temporary folder that other users can enter, as PostgreSQL must."""
    candidates = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - mkdtemp creates the folders in it
    return next((path for path in candidates if is_passable(path)), candidates[0])


def is_passable(path: Path) -> bool:
    """Return true if every user may enter a folder and all its parents."""
    folder = path.resolve()
    return all(part.is_dir() and part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
