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
from straingauge.target import process_group as run_module
from straingauge.target.process_group import PREFIX, Child, ProcessGroup, sweep
from straingauge.target.reaper import Group, Identity, State, clean

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


def test_leaving_a_run_ends_its_processes_and_removes_its_folder():
    """Nothing of a run is there once its context is left."""
    with ProcessGroup() as run:
        child = run.start("sleeper", SLEEP)
        assert runs(child.popen.pid)
    assert child.popen.returncode == -signal.SIGTERM
    assert not run.folder.exists()


def test_processes_end_in_the_reverse_order_of_their_start(tmp_path: Path):
    """The process started last, which may use the others, ends first."""
    note = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    pathlib.Path(sys.argv[1]).open('a').write(sys.argv[2])\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    with ProcessGroup() as run:
        for name in "abc":
            child = run.start(name, [sys.executable, "-c", note, tmp_path / "ended", name])
            assert eventually(lambda log=child.log_path: "ready" in log.read_text())
    assert (tmp_path / "ended").read_text() == "cba"


def test_a_process_that_ignores_the_request_to_end_is_killed():
    """The grace is bounded: a stubborn process is killed after it."""
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); time.sleep(600)"
    )
    with ProcessGroup() as run:
        child = run.start("stubborn", [sys.executable, "-c", stubborn], grace_s=0.1)
        assert eventually(lambda: "ready" in child.log_path.read_text())
    assert child.popen.returncode == -signal.SIGKILL


def test_a_grandchild_in_a_session_of_its_own_ends_too():
    """A process that a service put into another session does not outlive the run."""
    parent = (
        "import subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True); print(p.pid, flush=True); time.sleep(600)"
    )
    with ProcessGroup() as run:
        child = run.start("parent", [sys.executable, "-c", parent])
        assert eventually(lambda: child.log_path.read_text().endswith("\n"))
        grandchild = int(child.log_path.read_text())
        assert runs(grandchild)
    assert not runs(grandchild)


def test_what_is_started_at_the_moment_of_a_ctrl_c_ends_too(monkeypatch: pytest.MonkeyPatch):
    """An interrupt between a process's start and the note of it waits until it is noted."""
    spawn = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def spawn_and_interrupt(
        command: list[str],
        **options: Any,  # noqa: ANN401  Popen's own
    ) -> "subprocess.Popen[bytes]":
        started.append(spawn(command, **options))
        os.kill(os.getpid(), signal.SIGINT)
        return started[-1]

    with ProcessGroup() as run:
        monkeypatch.setattr(subprocess, "Popen", spawn_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            run.start("sleeper", SLEEP)
    assert started[0].poll() is not None


def test_a_command_that_fails_shows_its_code_and_its_last_words():
    """A failed step's error has what the step wrote."""
    with (
        ProcessGroup() as run,
        pytest.raises(TargetError, match=r"(?s)step failed with exit code 4:.*alas"),
    ):
        run.call("step", [sys.executable, "-c", "print('alas'); raise SystemExit(4)"])


def test_a_program_that_does_not_exist_is_named():
    """A misspelt program is an error of ours, not an exception of Python's."""
    with (
        ProcessGroup() as run,
        pytest.raises(TargetError, match=r"step cannot be started: .*no-such-program"),
    ):
        run.call("step", ["no-such-program"])


def test_a_process_forked_from_ours_does_not_hold_up_the_end():
    """A fork that holds the reaper's pipe open does not keep the run's processes alive."""
    with python(FORKING_OWNER) as owner:
        assert owner.stdout.read().split() == [str(-signal.SIGTERM)]
    assert owner.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_outlives_a_process_that_dies(number: signal.Signals):
    """However the process that owns a run dies, its processes and its folder go with it."""
    with python(OWNER) as owner:
        child, reaper, folder = owner.stdout.readline().split()
        owner.send_signal(number)
        owner.wait()
        assert eventually(lambda: not runs(int(child)) and not runs(int(reaper)))
    assert not Path(folder).exists()


def test_the_next_run_sweeps_up_after_one_whose_reaper_died_too(monkeypatch: pytest.MonkeyPatch):
    """The next group cleans up what neither the owner nor its reaper could."""
    with python(OWNER) as owner:
        child, reaper, folder = owner.stdout.readline().split()
        os.kill(int(reaper), signal.SIGKILL)
        owner.kill()
        owner.wait()
    assert runs(int(child))
    monkeypatch.setattr(run_module, "temp_folder", lambda: Path(folder).parent)
    with ProcessGroup():
        assert not runs(int(child))
        assert not Path(folder).exists()


def test_a_run_whose_reaper_was_killed_still_ends_everything():
    """The reaper's death does not leave processes behind, nor hang the run's end."""
    with ProcessGroup() as run:
        child = run.start("sleeper", SLEEP)
        run._reaper.kill()
        run._reaper.wait()
    assert child.popen.returncode == -signal.SIGTERM
    assert not run.folder.exists()


def test_a_sweep_leaves_the_living_alone():
    """A run whose process lives keeps its folder and its processes."""
    with ProcessGroup() as run:
        child = run.start("sleeper", SLEEP)
        sweep(run.folder.parent)
        assert runs(child.popen.pid)
        assert run.folder.exists()


def test_a_process_that_reuses_a_number_is_not_taken_for_the_dead_one():
    """Processes are identified by their start time, so no other process is ended."""
    ours = psutil.Process()
    stranger = Identity(ours.pid, ours.create_time() - 3600)
    assert not stranger.is_alive()
    assert Identity.of(ours.pid).is_alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_a_sweep_trusts_only_folders_of_its_own_user(tmp_path: Path):
    """A folder that another user laid out cannot have processes ended by us."""
    victim = subprocess.Popen(SLEEP, start_new_session=True)
    folder = tmp_path / f"{PREFIX}planted"
    folder.mkdir()
    dead = Identity(2**22 + 1, 0.0)
    State(dead, (Group(Identity.of(victim.pid), signal.SIGKILL, 1.0),)).write(folder)
    os.chown(folder, 65534, 65534)
    sweep(tmp_path)
    assert victim.poll() is None
    os.chown(folder, 0, 0)
    sweep(tmp_path)  # as its own user's, the same folder is believed
    assert victim.wait() == -signal.SIGKILL
    assert not folder.exists()


def test_a_folder_whose_run_died_before_it_wrote_anything_is_swept_in_time(tmp_path: Path):
    """A folder without state goes once it is too old to belong to a run that is starting."""
    young, old = tmp_path / f"{PREFIX}young", tmp_path / f"{PREFIX}old"
    young.mkdir()
    old.mkdir()
    long_ago = time.time() - 3600
    os.utime(old, (long_ago, long_ago))
    sweep(tmp_path)
    assert young.exists()
    assert not old.exists()


def test_cleaning_twice_is_no_error(tmp_path: Path):
    """The reaper and a sweep may meet over the same folder."""
    State(Identity.of(os.getpid())).write(tmp_path)
    clean(tmp_path)
    clean(tmp_path)
    assert not tmp_path.exists()


@given(owner=identities, members=st.lists(groups, max_size=4))
def test_a_state_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, owner: Identity, members: list[Group]
):
    """Nothing of a run's state is lost between the one who writes it and the one who cleans."""
    folder = tmp_path_factory.mktemp("state")
    state = State(owner, tuple(members))
    state.write(folder)
    assert State.read(folder) == state


def test_processes_of_several_threads_are_all_kept():
    """Processes that threads start and end at the same time are registered and ended once."""

    def start_and_end(number: int) -> None:
        run.call(f"call {number}", [sys.executable, "-c", ""])
        kept.append(run.start(f"kept {number}", SLEEP))
        ended = run.start(f"ended {number}", SLEEP)
        run.end(ended)
        run.end(ended)

    kept: list[Child] = []
    with ProcessGroup() as run, ThreadPoolExecutor(4) as pool:
        list(pool.map(start_and_end, range(8)))
        on_record = {group.leader.pid for group in State.read(run.folder).groups}
        assert on_record == {child.popen.pid for child in kept}
    assert not any(runs(child.popen.pid) for child in kept)
    run.end(kept[0])  # after all is over it changes nothing


def test_a_leader_that_ends_meanwhile_is_no_error(monkeypatch: pytest.MonkeyPatch):
    """A leader may end between the look whether it lives and the request to end."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    leader = Identity.of(ended.pid)
    ended.wait()
    answers = iter([True])
    monkeypatch.setattr(Identity, "is_alive", lambda _: next(answers, False))
    Group(leader, signal.SIGTERM, 1.0).end()
