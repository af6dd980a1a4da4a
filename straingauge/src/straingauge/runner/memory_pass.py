"""The memory pass: requests to a second instance whose memory allocations are recorded.

`tracemalloc` makes a service several times slower, so the numbers come from the load and the lines
that allocate, and those that create threads, from this pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psutil

from straingauge.diagnosis.cause import LIKELY
from straingauge.errors import StraingaugeError
from straingauge.inside.probe.sitecustomize import MEMORY, MEMORY_SUFFIX
from straingauge.json_text import parse_json
from straingauge.profile.growth import (
    GrowthSnapshot,
    InUse,
    growing_lines,
    growing_threads,
    read_in_use,
)
from straingauge.profile.probe_client import read_socket
from straingauge.profile.service_pids import own_code, probe_folder
from straingauge.recording import Recorder
from straingauge.result.format.memory import MemoryGrowth
from straingauge.result.format.result import FollowUpSections, Result
from straingauge.runner.explain import GRADES
from straingauge.runner.load_spec import LoadSpec
from straingauge.runner.login import LoginCache
from straingauge.runner.second_instance import MAX_USERS, SecondInstanceLoad
from straingauge.schedule import constant_users
from straingauge.target import ServiceStack
from straingauge.target.started_service import StartedService

FRAMES: Final = "12"  # of each allocation: the service's own code may be far above a library's
WARM_UP_S: Final = 4.0  # imports, caches and pools
HALF_S: Final = 5.0
THINK_S: Final = 0.02  # the process also has to take snapshots
SNAPSHOT_S: Final = 20.0
LEAKS: Final = ("memory_leak", "thread_leak")


class MemoryPass:
    """A `FollowUp` that finds the lines whose memory or threads grow with the requests.

    Args:
        spec: The load.
        started: The service, if it was started here; only then can there be a second instance.
        say: Called with a line before it begins.
        logins: The users that are logged in.
    """

    def __init__(
        self,
        spec: LoadSpec,
        started: StartedService | None,
        say: Callable[[str], None] = lambda _line: None,
        *,
        logins: LoginCache | None = None,
    ) -> None:
        self._spec = spec
        self._started = started
        self._say = say
        self._logins = logins or LoginCache()

    def __call__(self, result: Result) -> FollowUpSections:
        """Return the section `memory`; nothing if there is nothing to find."""
        wanted = self._spec.memory_probe
        if wanted is None:
            wanted = self._started is not None and _leaks(result)
        if not wanted:
            return {}
        if self._started is None:
            return _section("the memory probe needs a service that is started here")
        try:
            return self._measure(self._started)
        except StraingaugeError as error:
            return _section(f"the memory pass ended early: {str(error).partition(chr(10))[0]}")
        except KeyboardInterrupt:
            return _section("the memory pass was interrupted")

    def _measure(self, started: StartedService) -> FollowUpSections:
        duration_s = WARM_UP_S + 2 * HALF_S
        self._say(f"memory pass: requests to a second instance, {duration_s:,.0f} s")
        users = min(MAX_USERS, len(self._spec.users))
        env = {**started.config.env, MEMORY: FRAMES}
        config = replace(started.config, env=env)
        recorder = Recorder()
        with ServiceStack(config, database_url=started.database_url) as other:
            load = SecondInstanceLoad(self._spec, other.url, recorder, self._logins)
            snapshots = []
            _in_use(other.pid)  # from here on, memory is traced
            for duration in (WARM_UP_S, HALF_S, HALF_S):
                load.send(
                    constant_users(count=users, duration_s=duration, think_s=THINK_S),
                )
                in_use = _in_use(other.pid)
                if in_use is None:
                    return _section("the service has no Python process with the memory probe")
                snapshots.append(GrowthSnapshot(recorder.snapshot().requests("main"), in_use))
        requests = snapshots[-1].requests - snapshots[0].requests
        found: MemoryGrowth = {
            "requests": requests,
            "lines": growing_lines(snapshots),
            "threads": growing_threads(snapshots),
            "notes": [],
        }
        return {"memory": found}


def _leaks(result: Result) -> bool:
    """Return True if a leak of memory or threads is a likely cause of a failed run."""
    causes = result["diagnosis"] if result["verdict"]["grade"] in GRADES else []
    return any(each["cause"] in LEAKS and each["confidence"] >= LIKELY for each in causes)


def _in_use(pid: int) -> InUse | None:
    """Return what a process and those below it have; None without a probe."""
    try:
        service = psutil.Process(pid)
        processes = [service, *service.children(recursive=True)]
    except psutil.Error:
        return None
    folder = probe_folder(processes)
    if folder is None:
        return None
    found = [
        read_in_use(content, own_code(process))
        for process in processes
        if (content := _ask(folder / f"{process.pid}{MEMORY_SUFFIX}")) is not None
    ]
    return sum(found, InUse()) if found else None


def _ask(path: Path) -> Mapping[str, Any] | None:
    content = read_socket(path, SNAPSHOT_S)
    if content is None:
        return None
    try:
        document = parse_json(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "allocations" in document else None


def _section(note: str) -> FollowUpSections:
    found: MemoryGrowth = {"requests": 0, "lines": [], "threads": [], "notes": [note]}
    return {"memory": found}
