import os
import subprocess
import sys

import pytest
from straingauge.ab import Affinity, started_on

PRINT_AFFINITY = "import os; print(sorted(os.sched_getaffinity(0)))"


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two cores",
)
def test_only_started_processes_have_the_affinity():
    """Services start on all cores but the generator's; their parent process is unchanged."""
    before, priority = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    cores = Affinity.of_this_machine()
    with started_on(cores.services):
        child = subprocess.run(
            [sys.executable, "-c", PRINT_AFFINITY], capture_output=True, check=True
        )
    assert child.stdout.decode().strip() == str(sorted(cores.services))
    assert (os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)) == (before, priority)
    assert not cores.services & cores.generator
    assert cores.services | cores.generator == before


def test_one_core_is_shared(monkeypatch: pytest.MonkeyPatch):
    """With one core, no affinity is set."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3}, raising=False)
    assert Affinity.of_this_machine() == Affinity()
    with started_on(Affinity().services):
        pass
