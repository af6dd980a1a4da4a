"""Waits for a CPU, by the kernel's count."""

import os
from pathlib import Path

import pytest
from stack_tools import eventually
from straingauge.observe import cpu_waits
from straingauge.observe.cpu_waits import CpuWait, CpuWaits


def test_waits_of_threads_add_up_and_the_busiest_counts(monkeypatch: pytest.MonkeyPatch):
    """Waits are summed over threads; the busiest thread of each process is averaged."""
    second_ns = 10**9
    samples = [
        {1: [("11", 0, 0), ("12", 0, 0)], 2: [("21", 5, 5)]},
        {1: [("11", second_ns, second_ns), ("12", 0, second_ns)], 2: [("21", 5, 5)]},
        {1: [("11", 2 * second_ns, second_ns), ("13", 99, 99)], 2: []},
        {1: [], 2: []},
    ]
    waits, found = CpuWaits(), []
    for sample in samples:
        monkeypatch.setattr(cpu_waits, "_threads", sample.__getitem__)
        found.append(waits.sample([1, 2]))
    assert found == [CpuWait(0, 0), CpuWait(2, 1), CpuWait(2, 1.5), None]


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="no schedstat")
def test_this_process_is_counted():
    """The kernel counts the threads of this process."""
    waits = CpuWaits()
    first = waits.sample([os.getpid()])
    assert first == CpuWait(0, 0)
    assert eventually(lambda: waits.sample([os.getpid()]).busiest_s > 0)
