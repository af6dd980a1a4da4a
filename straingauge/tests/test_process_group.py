import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stack_tools import eventually, python, runs
from straingauge.errors import TargetError
from straingauge.target import process_group
from straingauge.target.process_group import PREFIX, Child, ProcessGroup, sweep
from straingauge.target.reaper import Group, Identity, State, clean

pytestmark = pytest.mark.e2e

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

OWNER = """
import subprocess, sys, time
from straingauge.target.process_group import ProcessGroup
with ProcessGroup() as run:
    child = run.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.popen.pid, run._reaper.pid, run.folder, flush=True)
    time.sleep(600)
"""

FORKING_OWNER = """
import os, signal, sys
from straingauge.target.process_group import ProcessGroup
with ProcessGroup() as run:
    child = run.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
    forked = os.fork()
    if not forked:
        signal.pause()
print(child.popen.returncode, flush=True)
os.kill(forked, signal.SIGKILL)
os.waitpid(forked, 0)
"""

identities = st.builds(Identity, st.integers(1, 2**22), st.floats(0, 2e9))
groups = st.builds(Group, identities, st.sampled_from([2, 15]), st.floats(0, 60))


def test_leaving_a_group_ends_its_processes_and_removes_its_folder():
    """Nothing of a group remains after its context."""
    with ProcessGroup() as group:
        child = group.start("sleeper", SLEEP)
        assert runs(child.popen.pid)
    assert child.popen.returncode == -signal.SIGTERM
    assert not group.folder.exists()


def test_processes_end_in_reverse_order(tmp_path: Path):
    """The process started last, which may use the others, ends first."""
    script = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    pathlib.Path(sys.argv[1]).open('a').write(sys.argv[2])\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    with ProcessGroup() as group:
        for name in "abc":
            child = group.start(name, [sys.executable, "-c", script, tmp_path / "ended", name])
            assert eventually(lambda log=child.log_path: "ready" in log.read_text())
    assert (tmp_path / "ended").read_text() == "cba"


def test_a_process_that_ignores_sigterm_is_killed():
    """A process that ignores SIGTERM is killed after the grace period."""
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); time.sleep(600)"
    )
    with ProcessGroup() as group:
        child = group.start("stubborn", [sys.executable, "-c", stubborn], grace_s=0.1)
        assert eventually(lambda: "ready" in child.log_path.read_text())
    assert child.popen.returncode == -signal.SIGKILL


def test_a_grandchild_in_another_session_ends_too():
    """A process that a service started in another session does not outlive the group."""
    parent = (
        "import subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True); print(p.pid, flush=True); time.sleep(600)"
    )
    with ProcessGroup() as group:
        child = group.start("parent", [sys.executable, "-c", parent])
        assert eventually(lambda: child.log_path.read_text().endswith("\n"))
        grandchild = int(child.log_path.read_text())
        assert runs(grandchild)
    assert not runs(grandchild)


def test_a_process_started_during_ctrl_c_ends_too(monkeypatch: pytest.MonkeyPatch):
    """An interrupt between the start of a process and its registration waits for the latter."""
    spawn = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def spawn_and_interrupt(
        command: list[str],
        **options: Any,  # noqa: ANN401  Popen's own
    ) -> "subprocess.Popen[bytes]":
        started.append(spawn(command, **options))
        os.kill(os.getpid(), signal.SIGINT)
        return started[-1]

    with ProcessGroup() as group:
        monkeypatch.setattr(subprocess, "Popen", spawn_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            group.start("sleeper", SLEEP)
    assert started[0].poll() is not None


def test_a_failed_command_shows_exit_code_and_output():
    """The error of a failed step has its exit code and output."""
    with (
        ProcessGroup() as group,
        pytest.raises(TargetError, match=r"(?s)step failed with exit code 4:.*alas"),
    ):
        group.call("step", [sys.executable, "-c", "print('alas'); raise SystemExit(4)"])


def test_a_missing_program_is_named():
    """A misspelt program is a TargetError."""
    with (
        ProcessGroup() as group,
        pytest.raises(TargetError, match=r"step cannot be started: .*no-such-program"),
    ):
        group.call("step", ["no-such-program"])


def test_a_fork_does_not_keep_processes_alive():
    """A fork that holds the reaper's pipe open does not keep the group's processes alive."""
    with python(FORKING_OWNER) as owner:
        assert owner.stdout.read().split() == [str(-signal.SIGTERM)]
    assert owner.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_outlives_the_owner(number: signal.Signals):
    """However the owner of a group dies, its processes end and its folder is removed."""
    with python(OWNER) as owner:
        child, reaper, folder = owner.stdout.readline().split()
        owner.send_signal(number)
        owner.wait()
        assert eventually(lambda: not runs(int(child)) and not runs(int(reaper)))
    assert not Path(folder).exists()


def test_the_next_group_cleans_up_after_a_dead_reaper(monkeypatch: pytest.MonkeyPatch):
    """A new group cleans up if both owner and reaper of an earlier one were killed."""
    with python(OWNER) as owner:
        child, reaper, folder = owner.stdout.readline().split()
        os.kill(int(reaper), signal.SIGKILL)
        owner.kill()
        owner.wait()
    assert runs(int(child))
    monkeypatch.setattr(process_group, "temp_folder", lambda: Path(folder).parent)
    with ProcessGroup():
        assert not runs(int(child))
        assert not Path(folder).exists()


def test_a_group_without_its_reaper_still_ends_everything():
    """If the reaper is killed, the group still ends its processes."""
    with ProcessGroup() as group:
        child = group.start("sleeper", SLEEP)
        group._reaper.kill()
        group._reaper.wait()
    assert child.popen.returncode == -signal.SIGTERM
    assert not group.folder.exists()


def test_a_sweep_ignores_running_groups():
    """A group whose owner runs keeps its folder and its processes."""
    with ProcessGroup() as group:
        child = group.start("sleeper", SLEEP)
        sweep(group.folder.parent)
        assert runs(child.popen.pid)
        assert group.folder.exists()


def test_a_reused_pid_is_another_process():
    """Processes are identified by PID and start time, so no other process is ended."""
    own = Identity.of(os.getpid())
    assert own.is_alive()
    assert not Identity(own.pid, own.started_at - 0.01).is_alive()


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere the kernel keeps the start itself")
def test_a_step_of_the_wall_clock_changes_no_identity(monkeypatch: pytest.MonkeyPatch):
    """A process is the same after the wall clock was set by an hour, as psutil sees it."""
    before = Identity.of(os.getpid())
    boot_time = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot_time - 3600)
    assert before.is_alive()
    assert Identity.of(os.getpid()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_a_sweep_ignores_folders_of_other_users(tmp_path: Path):
    """A folder of another user cannot make a sweep end processes."""
    victim = subprocess.Popen(SLEEP, start_new_session=True)
    folder = tmp_path / f"{PREFIX}planted"
    folder.mkdir()
    dead = Identity(2**22 + 1, 0.0)
    State(dead, (Group(Identity.of(victim.pid), signal.SIGKILL, 1.0),)).write(folder)
    os.chown(folder, 65534, 65534)
    sweep(tmp_path)
    assert victim.poll() is None
    os.chown(folder, 0, 0)
    sweep(tmp_path)  # the same folder, now of this user
    assert victim.wait() == -signal.SIGKILL
    assert not folder.exists()


def test_an_old_folder_without_state_is_removed(tmp_path: Path):
    """A folder without state is removed once it is too old to belong to a starting group."""
    young, old = tmp_path / f"{PREFIX}young", tmp_path / f"{PREFIX}old"
    young.mkdir()
    old.mkdir()
    long_ago = time.time() - 3600
    os.utime(old, (long_ago, long_ago))
    sweep(tmp_path)
    assert young.exists()
    assert not old.exists()


def test_cleaning_twice_is_no_error(tmp_path: Path):
    """The reaper and a sweep may clean the same folder."""
    State(Identity.of(os.getpid())).write(tmp_path)
    clean(tmp_path)
    clean(tmp_path)
    assert not tmp_path.exists()


@given(owner=identities, members=st.lists(groups, max_size=4))
def test_a_state_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, owner: Identity, members: list[Group]
):
    """Writing and reading a state returns an equal state."""
    folder = tmp_path_factory.mktemp("state")
    state = State(owner, tuple(members))
    state.write(folder)
    assert State.read(folder) == state


def test_processes_of_several_threads_are_registered():
    """Processes that threads start and end at the same time are registered and ended once."""

    def start_and_end(number: int) -> None:
        group.call(f"call {number}", [sys.executable, "-c", ""])
        running.append(group.start(f"kept {number}", SLEEP))
        ended = group.start(f"ended {number}", SLEEP)
        group.end(ended)
        group.end(ended)

    running: list[Child] = []
    with ProcessGroup() as group, ThreadPoolExecutor(4) as pool:
        list(pool.map(start_and_end, range(8)))
        registered = {entry.leader.pid for entry in State.read(group.folder).groups}
        assert registered == {child.popen.pid for child in running}
    assert not any(runs(child.popen.pid) for child in running)
    group.end(running[0])  # has no effect after the end


def test_a_leader_may_end_before_its_signal(monkeypatch: pytest.MonkeyPatch):
    """A leader may end between the check that it runs and the signal."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    leader = Identity.of(ended.pid)
    ended.wait()
    replies = iter([True])
    monkeypatch.setattr(Identity, "is_alive", lambda _: next(replies, False))
    Group(leader, signal.SIGTERM, 1.0).end()
