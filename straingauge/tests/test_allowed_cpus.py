"""A service that may run on some of the CPUs, and what is beside it in its container."""

import os
from pathlib import Path

import psutil
import pytest
from straingauge.observe import Sample
from straingauge.observe.allowed_cpus import sample_allowed_cpus
from straingauge.observe.same_container import ContainerProcesses
from straingauge.result.assembly.limits import limits

CONTAINER = "0::/system.slice/docker-4f2a.scope\n"
TERMINAL = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-7.scope\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not Linux")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU")
def test_a_process_that_may_run_on_one_cpu():
    """Processes that are held to a CPU have the time of that CPU; others have nothing."""
    before = os.sched_getaffinity(0)
    if len(before) < (psutil.cpu_count() or 1):
        pytest.skip("this process may not run on all CPUs")
    assert sample_allowed_cpus([os.getpid()]) == {}
    os.sched_setaffinity(0, {max(before)})
    try:
        found = sample_allowed_cpus([os.getpid()])
    finally:
        os.sched_setaffinity(0, before)
    assert found["allowed_cpus"] == 1
    times = psutil.cpu_times()
    assert 0 < found["allowed_cpus_busy_s"] <= times.user + times.nice + times.system + times.steal
    assert sample_allowed_cpus([]) == {}


def test_allowed_cpus_in_a_result():
    """The result has the CPUs and how busy they were; no entry where all may be used."""
    samples: list[Sample] = [
        {"t_ns": n * 10**9, "allowed_cpus": 2.0, "allowed_cpus_busy_s": 5.0 + 1.5 * n}
        for n in range(5)
    ]
    found = limits(samples)
    assert (found["allowed_cpus"], found["allowed_cpus_percent"]) == (2, 150.0)
    assert "allowed_cpus" not in limits([{"t_ns": 0}])


@pytest.mark.parametrize(
    ("service", "generator", "expected"),
    [
        (CONTAINER, TERMINAL, {7, 8}),
        (CONTAINER, CONTAINER, set()),  # the generator is in it, too
        (TERMINAL, CONTAINER, set()),  # a terminal starts programs of any kind
        ("0::/system.slice/shop.service\n", TERMINAL, {7, 8}),
    ],
)
def test_programs_in_the_container_of_the_service(
    tmp_path: Path, service: str, generator: str, expected: set[int]
):
    """Programs beside the service in its container, or its unit, belong to it."""
    groups = {"self": generator, "7": service, "8": service, "9": "0::/system.slice/x.service\n"}
    for name, text in groups.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup").write_text(text)
    container = ContainerProcesses(tmp_path)
    assert container.beside(7, {7, 8, 9, 10}) == expected
