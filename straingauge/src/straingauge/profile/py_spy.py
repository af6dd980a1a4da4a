"""`py-spy`, which reads the stacks of Python processes from outside of them.

https://github.com/benfred/py-spy
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from straingauge.profile.stacks import Snapshot, Stack, read_dump, read_raw
from straingauge.target.process_group import Child, ProcessGroup

GRACE_S: Final = 5.0  # to write the samples
DUMP_TIMEOUT_S: Final = 5.0


def find_py_spy() -> str | None:
    """Return the program in this Python's environment or on PATH; None if there is none."""
    beside = Path(sysconfig.get_path("scripts")) / "py-spy"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("py-spy")


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples of one process that are being taken.

    Attributes:
        pid: The process.
        child: The running `py-spy`.
        output: The file that it writes at its end.
        rate_hz: Samples per second.
        cpu_before_s: CPU time of the process's threads at the beginning, by id.
    """

    pid: int
    child: Child
    output: Path
    rate_hz: int
    cpu_before_s: Mapping[int, float]

    @classmethod
    def start(
        cls, program: str, pid: int, group: ProcessGroup, *, limit_s: int, rate_hz: int
    ) -> "Recording":
        """Start to sample a process, for a limited number of seconds.

        Raises:
            TargetError: The program cannot be started.
        """
        output = group.folder / f"{pid}.raw"
        command = [
            *(program, "record", "--pid", str(pid), "--output", str(output), "--format", "raw"),
            *("--rate", str(rate_hz), "--duration", str(limit_s), "--threads", "--full-filenames"),
            "--nonblocking",  # if it were stopped, it would wait with py-spy for a core
        ]
        child = group.start(f"py-spy {pid}", command, stop_signal=signal.SIGINT, grace_s=GRACE_S)
        return cls(pid, child, output, rate_hz, thread_cpu_s(pid))

    def cpu_s(self) -> float:
        """Return the CPU time that it has used, until `end`."""
        try:
            used = psutil.Process(self.child.popen.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(used.user + used.system)

    def end(self, group: ProcessGroup) -> list[Stack]:
        """End it, and return the samples; none if it could not read the process."""
        after_s = thread_cpu_s(self.pid)
        group.end(self.child)
        used_s = {
            thread: seconds - self.cpu_before_s.get(thread, 0.0)
            for thread, seconds in after_s.items()
        }
        try:
            return read_raw(self.output.read_text("utf-8", "replace"), used_s, self.rate_hz)
        except FileNotFoundError:
            return []

    def problem(self) -> str | None:
        """Return why it could not read the process, and what helps; None if it could."""
        log = self.child.log_tail()
        return None if self.output.exists() else explain(log, self.pid)


def thread_cpu_s(pid: int) -> dict[int, float]:
    """Return the CPU time of each thread of a process, by its id in the system."""
    try:
        threads = psutil.Process(pid).threads()
    except psutil.Error:
        return {}
    return {each.id: each.user_time + each.system_time for each in threads}


def dump(program: str, pid: int) -> tuple[Snapshot | None, float]:
    """Return the stacks of a process at this instant, and the CPU time that it took in s.

    The snapshot is None if the process cannot be read.
    """
    before_s = _children_cpu_s()
    try:
        done = subprocess.run(
            [program, "dump", "--json", "--pid", str(pid)],
            capture_output=True,
            timeout=DUMP_TIMEOUT_S,
            check=False,
        )
        snapshot = read_dump(pid, done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        snapshot = None
    return snapshot, _children_cpu_s() - before_s


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def explain(log: str, pid: int) -> str:
    """Return what the output of `py-spy` says about a process, and the command that helps."""
    text = log.lower()
    if "permission denied" in text or "operation not permitted" in text or "root" in text:
        return f"process {pid} cannot be profiled: no permission; {permission_command()}"
    if "failed to find python" in text or "python version" in text:
        return f"process {pid} cannot be profiled: not available for this runtime"
    words = [line.strip() for line in log.splitlines() if "error" in line.lower()]
    return f"process {pid} cannot be profiled: {words[0] if words else 'it ended at once'}"


def permission_command() -> str:
    """Return the command that allows to read other processes on this system."""
    if sys.platform == "darwin":
        return "on macOS it takes root: sudo straingauge run ..."
    if Path("/.dockerenv").exists():
        return "start the container with: docker run --cap-add SYS_PTRACE"
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if scope.exists() and scope.read_text().strip() not in ("", "0"):
        return "allow it with: sudo sysctl kernel.yama.ptrace_scope=0"
    return "run straingauge as the service's user"
