"""A Redis for the counters of the rate limits, which can be killed and started again."""

import os
import shutil
import time
from pathlib import Path

from straingauge.target.ports import HOST, free_port, listens
from straingauge.target.process_group import Child, ProcessGroup

from straingauge import TargetError

HINT = "install it: apt-get install redis-server"
START_S = 30.0
_FOLDERS = ("/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")


def find_redis() -> Path | None:
    """Return the path of the installed program; None if there is none."""
    found = shutil.which("redis-server", path=os.pathsep.join((os.environ["PATH"], *_FOLDERS)))
    return Path(found) if found else None


class Redis:
    """A Redis on a free port of this machine, which stores nothing on disk."""

    def __init__(self, group: ProcessGroup) -> None:
        self._group = group
        self._port = free_port()
        self._starts = 0
        self._child: Child | None = None
        self.url = f"redis://{HOST}:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it accepts connections.

        Raises:
            TargetError: It is not installed, or does not start.
        """
        program = find_redis()
        if program is None:
            raise TargetError("no Redis found on this machine", HINT)
        self._starts += 1
        options = ("--port", str(self._port), "--bind", HOST, "--save", "", "--appendonly", "no")
        child = self._group.start(f"redis {self._starts}", [program, *options])
        self._child = child
        deadline_s = time.monotonic() + START_S
        while not listens(child.popen.pid, self._port):
            if child.exited_within(0.02) or time.monotonic() > deadline_s:
                raise TargetError(f"Redis did not start:{child.log_tail()}", HINT)

    def kill(self) -> None:
        """Kill it; nothing of it is kept."""
        assert self._child is not None
        self._child.popen.kill()
        self._group.end(self._child)
