"""Whose CPU time it was, who came and went, and what is left after the load."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from counting_service import Service, counting_service
from stack_tools import eventually
from straingauge.observe import (
    MetricNames,
    Observations,
    Observer,
    ProcessTable,
    Sample,
    ServiceProcesses,
)
from straingauge.observe.machine import Machine
from straingauge.observe.process_table import Row
from straingauge.result.assembly.resources import resources

# With a unique name: other processes may be busy while this test runs.
BURN = """
import os
open("/proc/self/comm", "w").write(f"burn{os.getpid()}")
print(flush=True)
while True: pass
"""

# Serves from a child, and replaces it on a line of its standard input.
SUPERVISOR = """
import os, signal, socket, sys, time
listening = socket.create_server(("127.0.0.1", 0))
def begin():
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    return pid
child = begin()
print(listening.getsockname()[1], flush=True)
for line in sys.stdin:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    child = begin()
    print(child, flush=True)
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service in a separate process."""
    with counting_service() as running:
        yield running


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that has said its first word."""
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """Its next word."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def used_s(pid: int) -> float:
    """CPU time of a process."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_a_busy_neighbour_is_named_and_not_blamed_on_the_service():
    """CPU time of an unrelated process counts as that of others, by its program's name."""
    machine = Machine()
    with running(BURN) as burner:
        said(burner)
        machine.sample(ProcessTable.snapshot(), {os.getpid()}, set())
        machine.begin()
        before_s = used_s(burner.pid)
        assert eventually(lambda: used_s(burner.pid) > before_s + 0.5)
        after = machine.sample(ProcessTable.snapshot(), set(), set())
    assert machine.neighbours[f"burn{burner.pid}"] > 0.4
    assert after["service_family_cpu_s"] == 0
    assert after["generator_cpu_s"] < after["machine_cpu_s"]


@pytest.mark.parametrize("owner", ["service_family_cpu_s", "database_cpu_s"])
def test_the_services_and_the_databases_time_is_their_own(owner: str):
    """CPU time of the service and its database is theirs; they are no neighbours."""
    machine = Machine()
    with running(BURN) as burner:
        said(burner)
        given = ({burner.pid}, set()) if owner.startswith("service") else (set(), {burner.pid})
        before = machine.sample(ProcessTable.snapshot(), *given)
        assert eventually(lambda: used_s(burner.pid) > before[owner] + 0.5)
        after = machine.sample(ProcessTable.snapshot(), *given)
    assert after[owner] - before[owner] > 0.4
    assert f"burn{burner.pid}" not in machine.neighbours


def test_the_generators_other_processes_are_the_generators(monkeypatch: pytest.MonkeyPatch):
    """Processes with the same parent as this one belong to the same load."""
    me, parent = os.getpid(), os.getppid()
    rows = {me: Row(parent, 1, 0), 7: Row(parent, 2, 0), 8: Row(parent, 4, 0), 9: Row(me, 8, 0)}
    rows[parent] = Row(0, 16, 0)
    machine = Machine()
    monkeypatch.setattr(machine, "_is_kin", lambda pid: pid in (7, 9))
    assert machine.sample(ProcessTable(rows), set(), set())["generator_cpu_s"] == 1 + 2 + 8 + 16
    started_here = machine.sample(
        ProcessTable(rows), {9}, {7}
    )  # service and database are no generator
    assert started_here["generator_cpu_s"] == 1 + 16


@pytest.mark.parametrize(("name", "is_generator"), [("py-spy", True), ("sleeper", False)])
def test_the_profiler_is_no_neighbour(name: str, is_generator: bool):  # noqa: FBT001
    """CPU time of the profiler that this process started is the generator's, not that of others."""
    named = f"""
import time
open("/proc/self/comm", "w").write("{name}")
print(flush=True)
time.sleep(60)
"""
    with running(named) as child:
        said(child)
        assert (child.pid in Machine()._generator(ProcessTable.snapshot())) is is_generator


def test_a_family_is_all_descendants():
    """A family holds children's children; who has the same parent is none of it."""
    rows = {1: Row(0, 0, 0), 2: Row(1, 1, 2), 3: Row(2, 4, 0), 4: Row(1, 8, 0), 5: Row(3, 16, 0)}
    census = ProcessTable(rows)
    assert sorted(census.family(2)) == [2, 3, 5]
    assert census.cpu_s({2, 3}) == 7
    assert census.family(6) == []


def test_a_census_knows_parents_from_the_one_before():
    """A later census tells the same of who is whose child, and leaves out who has ended."""
    before = ProcessTable.snapshot()
    with running(BURN) as child:
        said(child)
        during = ProcessTable.snapshot(before)
        assert during.rows[child.pid].parent == os.getpid()
    after = ProcessTable.snapshot(during)
    assert child.pid not in after.rows
    assert after.rows[os.getpid()].parent == before.rows[os.getpid()].parent == os.getppid()


def test_an_orphan_is_no_longer_of_the_family():
    """A process whose parent has ended has another one, also for a census that knew the first."""
    code = "import os, time; pid = os.fork(); pid and print(pid, flush=True); time.sleep(600)"
    with running(code) as parent:
        child = int(said(parent))
        before = ProcessTable.snapshot()
        assert before.family(parent.pid) == [parent.pid, child]
        parent.kill()
        parent.wait()
        assert ProcessTable.snapshot(before).rows[child].parent != parent.pid
    os.kill(child, 9)


def test_a_replaced_worker_was_born_and_another_died():
    """A worker process that is replaced under load is counted once as gone and once as come."""
    with running(SUPERVISOR) as supervisor:
        processes = ServiceProcesses(f"http://127.0.0.1:{said(supervisor)}")
        first = processes.sample(ProcessTable.snapshot())
        assert first is not None
        assert len(first.pids) == 2
        assert supervisor.stdin is not None
        supervisor.stdin.write("again\n")
        supervisor.stdin.flush()
        successor = int(said(supervisor))

        def counted() -> bool:
            seen = processes.sample(ProcessTable.snapshot())
            return seen is not None and (seen.started, seen.exited) == (1, 1)

        assert eventually(counted)
        last = processes.sample(ProcessTable.snapshot())
        assert last is not None
        assert successor in last.pids
        os.kill(successor, 9)


def test_the_service_can_be_named_by_its_process(service: Service):
    """With --server-pid, that process and its children are the service."""
    seen = ServiceProcesses("http://127.0.0.1:9", service.process.pid).sample(
        ProcessTable.snapshot()
    )
    assert seen is not None
    assert seen.pids == (service.process.pid,)
    gone = ServiceProcesses("http://127.0.0.1:9", 2**22 - 1)
    assert gone.sample(ProcessTable.snapshot()) is None
    assert "no process 4194303" in (gone.unavailable or "")


def test_the_service_is_looked_at_after_the_load(service: Service):
    """Samples of the cooldown are kept apart from those of the load."""
    calls: list[float] = []
    with Observer(service.url) as observer:
        observer.cooldown(0.5, meanwhile=lambda: calls.append(time.monotonic()))
        watched = observer.observations()
        before = len(watched.cooldown)
    found = resources(watched, {}, 10)["cooldown"]
    assert found["duration_s"] >= 0.5
    assert found["memory_mb"] > 1
    assert found["open_files"] >= 3
    assert (found["pool_in_use"], found["database_connections"]) == (0, None)
    assert watched.cooldown[0]["t_ns"] > watched.samples[-1]["t_ns"]
    assert len(observer.observations().cooldown) == before


def test_late_recovery_is_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch):
    """A pool that is still in use after the quiet time gets more of it, and not without end."""
    figures = iter([0.0, 0.0, *[5.0] * 100_000])
    monkeypatch.setattr(
        "straingauge.observe.metric_names.MetricNames.service_metrics",
        lambda *_: {"pool_in_use": next(figures)},
    )
    with Observer(service.url) as observer:
        observer.cooldown(0.3)
    found = resources(observer.observations(), {}, 10)["cooldown"]
    assert found["duration_s"] >= 0.8
    assert found["pool_in_use"] == 5.0


def test_looking_on_has_its_price(service: Service):
    """The result says what share of a core the observer itself has used."""
    with Observer(service.url) as observer:
        assert eventually(lambda: len(observer.observations().samples) >= 3)
    found = resources(observer.observations(), {}, 10)
    assert found["observer"]["cpu_percent"] >= 0
    stamps = [sample["observer_cpu_s"] for sample in observer.observations().samples]
    assert stamps == sorted(stamps)
    assert stamps[-1] > 0
    assert found["machine"]["cores"] == psutil.cpu_count()


def watched(key: str, values: list[float], **others: float) -> Observations:
    """Samples, half a second apart, of one figure."""
    samples: list[Sample] = [
        {"t_ns": number * 5e8, key: value, **others} for number, value in enumerate(values)
    ]
    return Observations(samples, [], "process", cooldown=samples)


def test_blocks_of_the_event_loop_are_those_of_the_load():
    """Blocks before the load are not of it, and nor is the longest of them."""
    blocks, blocked_s, longest_s = [2, 2, 3, 4], [9.0, 9.0, 9.3, 9.8], [8.0, 8.0, 8.0, 0.5]
    samples: list[Sample] = [
        {"t_ns": n, "loop_blocks": b, "loop_blocked_s": s, "loop_longest_s": longest}
        for n, (b, s, longest) in enumerate(zip(blocks, blocked_s, longest_s, strict=True))
    ]
    found = resources(Observations(samples), {}, 10)["service"]["event_loop"]
    assert (found["blocks"], found["blocked_s"]) == (2, pytest.approx(0.8))
    assert found["longest_ms"] == pytest.approx(800)  # not more than all together
    assert resources(watched("x", [1]), {}, 10)["service"]["event_loop"] is None


def test_delays_of_nodes_event_loop():
    """The longest delay since the last sample is a block; one that stays was not reset."""
    lags_s = [0.9, 0.012, 0.35, 0.35, 0.011, 0.2]
    samples: list[Sample] = [{"t_ns": n, "loop_lag_s": lag} for n, lag in enumerate(lags_s)]
    found = resources(Observations(samples), {}, 10)["service"]["event_loop"]
    assert found == {"blocks": 2, "blocked_s": pytest.approx(0.55), "longest_ms": 350}
    assert MetricNames().service_metrics({"nodejs_eventloop_lag_max_seconds": 0.2}) == {
        "loop_lag_s": 0.2
    }


def test_jobs_are_those_that_the_service_reports():
    """Jobs that pile up are seen to wait, and those that are done are counted."""
    found = resources(watched("jobs_waiting", [0, 30, 12], jobs_done=4), {}, 10)["jobs"]
    assert found == {"waiting": {"initial": 0, "peak": 30, "final": 12}, "done": 0}
    assert resources(watched("x", [1]), {}, 10)["jobs"] is None


@pytest.mark.parametrize("key", ["open_files", "threads"])
def test_a_leak_of_files_is_a_trend(key: str):
    """Growth is given per 1000 requests, from the lowest values after the warm-up."""
    leaking = [float(20 + n + 30 * (n % 3 == 0)) for n in range(60)]  # 1 each, 10 requests each
    found = resources(watched(key, leaking), {}, 590)["service"][key]
    trend = found["trend_per_1000_requests"]
    assert trend["low"] > 80
    assert trend["slope"] == pytest.approx(100, rel=0.1)
    steady = [float(20 + 30 * (n % 3 == 0)) for n in range(60)]
    trend = resources(watched(key, steady), {}, 590)["service"][key]["trend_per_1000_requests"]
    assert trend["slope"] == 0


def test_connections_that_are_not_given_back_are_a_trend():
    """A pool of which ever more is in use has a trend that surely rises."""
    pool = resources(watched("pool_in_use", [n // 6 for n in range(60)]), {}, 590)["pool"]
    assert pool["in_use_trend_per_1000_requests"]["low"] > 0


@pytest.mark.parametrize("per_request", [5_000, 50_000])
def test_a_memory_leak_is_reported_in_bytes(per_request: int):
    """Memory that a request leaves behind is given in bytes, despite noise."""
    sizes = [1e8 + per_request * 10 * n + (n % 4) * 2e6 for n in range(60)]
    found = resources(watched("rss_bytes", sizes), {}, 590)["service"]["memory"]
    assert found["bytes_per_request"]["slope"] == pytest.approx(per_request, rel=0.1)


def test_memory_that_comes_and_goes_is_no_leak():
    """Memory that requests use and release is not kept by them."""
    sizes = [1e8 + (n % 2) * n * 1e6 for n in range(60)]
    found = resources(watched("rss_bytes", sizes), {}, 590)["service"]["memory"]
    assert found["bytes_per_request"]["slope"] == 0


def cpu(machine: list[float], **used: list[float]) -> dict[str, Any]:
    """The machine section for CPU times in s, one second apart."""
    owners = ("service_family_cpu_s", "database_cpu_s", "generator_cpu_s")
    samples: list[Sample] = [
        {"t_ns": n * 1e9, "machine_cpu_s": total, **{k: used.get(k, [0.0] * 9)[n] for k in owners}}
        for n, total in enumerate(machine)
    ]
    seen = Observations(samples, neighbours={"ffmpeg": 1.2, "sshd": 0.1})
    found: dict[str, Any] = resources(seen, {}, 10)["machine"]
    return found


def test_others_are_what_is_left_of_the_machine():
    """The others' share is the machine's less what service, database and generator used."""
    found = cpu(
        [0.0, 1.5, 3.5],
        service_family_cpu_s=[0, 0.4, 0.8],
        database_cpu_s=[0, 0.1, 0.2],
        generator_cpu_s=[0, 0.5, 1.0],
    )
    assert found["cpu_percent"] == {"avg": 175.0, "peak": 200.0}
    assert found["others_cpu_percent"] == {"avg": 75.0, "peak": 100.0}
    assert found["neighbours"] == [{"name": "ffmpeg", "cpu_percent": 60.0}]
