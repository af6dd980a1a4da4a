"""The profiler on a real process: what runs, what waits, and that nothing of it remains."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from straingauge.inside import probe
from straingauge.profile import Profiler, is_started_here, profiler
from straingauge.profile.py_spy import find_py_spy
from straingauge.target.reaper import wait_until

pytestmark = pytest.mark.e2e

SERVICE = Path(__file__).with_name("profiled_service.py")
SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
RESTRICTED = os.geteuid() != 0 and (not SCOPE.exists() or SCOPE.read_text().strip() != "0")
DEADLINE_S = 60.0
PROFILE_AND_WAIT = """
import sys, time
from straingauge.profile import Profiler
with Profiler(sys.argv[1], None, lambda: 0, is_requested=True) as profiler:
    profiler.begin()
    print("began", flush=True)
    time.sleep(3600)
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service with the probe, as a service stack starts it."""
    folder = tmp_path_factory.mktemp("probe")
    env = os.environ | {
        probe.FOLDER: str(folder),
        "PYTHONPATH": str(Path(probe.__file__).parent),
    }
    command = [sys.executable, str(SERVICE), "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        yield f"http://127.0.0.1:{service.stdout.readline().strip()}"
        service.kill()


def samplers() -> list[psutil.Process]:
    """Return the processes of py-spy that this test, or a process of it, has started."""
    children = psutil.Process().children(recursive=True)
    return [each for each in children if "py-spy" in each.name()]


@pytest.mark.skipif(RESTRICTED, reason="py-spy may not read other processes here")
def test_a_service_with_the_probe_shows_what_runs_and_what_waits(url: str) -> None:
    """The line that computes leads the running ones, and the tasks' line the waiting ones."""
    assert is_started_here(url, None)
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with Profiler(url, None, lambda: 0, is_requested=True) as profiled, ExitStack() as requests:
        profiled.begin()
        for _ in range(3):
            requests.enter_context(socket.create_connection(address))
        collected = profiled._collected
        assert wait_until(lambda: any(collected.lasting.values()), DEADLINE_S)
        assert wait_until(lambda: samplers() != [], DEADLINE_S)
        process = psutil.Process(samplers()[0].pid)
        assert wait_until(lambda: sum(process.cpu_times()[:2]) > 0.05, DEADLINE_S)
        profiled.end()
        found = profiled.profile()
    lines = {
        (each["state"], each["function"]): each for each in found["lines"] if each["own_samples"]
    }
    assert found["notes"] == []
    assert found["running_samples"] > 0
    assert next(iter(lines)) == ("running", "compute")
    waiting = lines["task", "wait_for"]
    assert waiting["file"].endswith("straingauge/tests/profiled_service.py")
    assert waiting["lasting_samples"] > 0
    assert found["cost"]["cpu_percent"] > 0
    assert samplers() == []


def test_without_py_spy_the_snapshots_remain(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing py-spy is one note with the command that installs it; tasks are still seen."""
    monkeypatch.setattr(profiler, "find_py_spy", lambda: None)
    with Profiler(url, None, lambda: 0) as profiled:
        profiled.begin()
        collected = profiled._collected
        assert wait_until(lambda: collected.snapshots >= 2, DEADLINE_S)
        profiled.end()
        found = profiled.profile()
    assert (found["running_samples"], found["snapshots"]["tasks_visible"]) == (0, True)
    (note,) = found["notes"]
    assert "py-spy is missing" in note
    assert "[profile]" in note


def test_a_short_load_is_not_sampled_unless_requested(url: str) -> None:
    """Snapshots are taken in any load; py-spy is started in long ones, and the note says so."""
    with Profiler(url, None, lambda: 0, 5) as profiled:
        profiled.begin()
        assert wait_until(lambda: profiled._collected.snapshots >= 1, DEADLINE_S)
        assert samplers() == []
        profiled.end()
        found = profiled.profile()
    assert (found["rate_hz"], found["running_samples"]) == (0, 0)
    assert find_py_spy() is None or "--profile" in found["notes"][0]


def test_another_runtime_is_said_to_be_unavailable(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Of a service that does not run Python there is one note, and no profile."""
    monkeypatch.setattr(profiler, "python_processes", lambda _processes: [])
    with Profiler(url, None, lambda: 0) as profiled:
        profiled.begin()
        profiled.end()
        found = profiled.profile()
    assert found["notes"] == ["not available for this runtime: the service does not run Python"]
    assert found["stacks"] == []


@pytest.mark.skipif(find_py_spy() is None or RESTRICTED, reason="py-spy may not run here")
def test_a_killed_run_leaves_no_py_spy_behind(url: str) -> None:
    """If the profiling process is killed, py-spy ends as well, and the service goes on."""
    command = [sys.executable, "-c", PROFILE_AND_WAIT, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "began\n"
        assert wait_until(lambda: samplers() != [], DEADLINE_S)
        started = samplers()
        run.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not any(each.is_running() for each in started), DEADLINE_S)
    assert is_started_here(url, None)
