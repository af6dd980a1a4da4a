"""A profiler in a separate process, for generators whose threads are not those of the system.

Locust replaces threads by greenlets, and whatever takes time in its process delays its users.

The process writes the line `ready` once it has found the service, and reads lines: `begin`, the
number of responses so far, and `end`. Then it writes the profile as JSON, and ends.
"""

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Final, cast

from straingauge.errors import TargetError
from straingauge.json_text import parse_json
from straingauge.profile.profiler import Profiler
from straingauge.result.format.profile import Profile

READY: Final = "ready"
BEGIN: Final = "begin"
END: Final = "end"
MAX_S: Final = 30.0  # to find the service's processes, and to read the samples


class ProfilerProcess:
    """Profiles the service at a URL from `begin` to `end`.

    Starting it waits until it has found the service's processes.

    Args:
        url: The URL of the service.
        server_pid: Its parent process, if it cannot be found by its port.
        load_s: Duration of the load; None if unknown.
        is_requested: See `Profiler`.

    Raises:
        TargetError: It did not start.
    """

    def __init__(
        self, url: str, server_pid: int | None, load_s: float | None, *, is_requested: bool
    ) -> None:
        settings = json.dumps([url, server_pid, load_s, is_requested])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "straingauge.profile.profiler_process", settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the generator, which ends this one
        )
        if self._read(lambda output: output.readline()).strip() != READY:
            self.kill()
            raise TargetError("the profiler did not start")

    def begin(self) -> None:
        """Start, at the start of the load."""
        self._say(BEGIN)

    def set_answered(self, count: int) -> None:
        """Send how many requests were answered so far; without it no pause is noticed."""
        self._say(str(count))

    def end(self) -> None:
        """End, at the end of the load, without waiting."""
        self._say(END)

    def profile(self) -> Profile | None:
        """Return the profile, after the end; None if the process has failed."""
        try:
            return cast("Profile", parse_json(self._read(lambda output: output.read())))
        except ValueError:
            return None
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process, if it has not ended."""
        self._process.kill()
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except OSError:  # it has failed: there will be no profile
            return

    def _read(self, read: Callable[[IO[str]], str]) -> str:
        """Read from the process, which is killed if that takes too long."""
        assert self._process.stdout is not None
        limit = threading.Timer(MAX_S, self._process.kill)
        limit.start()
        try:
            return read(self._process.stdout)
        finally:
            limit.cancel()


class _Answered:
    """The last number of responses that was sent; without any, one more at each look."""

    def __init__(self) -> None:
        self.sent: int | None = None
        self._looks = itertools.count()

    def __call__(self) -> int:
        return next(self._looks) if self.sent is None else self.sent


def main() -> None:
    """Profile as the lines on standard input say; end with it, too."""
    url, server_pid, load_s, is_requested = parse_json(sys.argv[1])
    answered = _Answered()
    with Profiler(url, server_pid, answered, load_s, is_requested=is_requested) as profiler:
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        began = False
        for line in map(str.strip, sys.stdin):
            if line == BEGIN:
                profiler.begin()
                began = True
            elif line == END and began:
                profiler.end()
                sys.stdout.write(json.dumps(profiler.profile()))
                return
            elif line.isdecimal():
                answered.sent = int(line)


if __name__ == "__main__":
    main()
