import os
import subprocess
import sys

import pytest
from straingauge.ab import Affinity, started_on

TELLS = "import os; print(sorted(os.sched_getaffinity(0)))"


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two cores",
)
def test_what_is_started_keeps_to_its_cores_and_we_do_not():
    """Services start on all cores but the generator's; the starting process keeps its affinity."""
    ours, priority = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    cores = Affinity.of_this_machine()
    with started_on(cores.services):
        told = subprocess.run([sys.executable, "-c", TELLS], capture_output=True, check=True)
    assert told.stdout.decode().strip() == str(sorted(cores.services))
    assert (os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)) == (ours, priority)
    assert not cores.services & cores.generator
    assert cores.services | cores.generator == ours


def test_one_core_is_shared(monkeypatch: pytest.MonkeyPatch):
    """With one core, no affinity is set."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3}, raising=False)
    assert Affinity.of_this_machine() == Affinity()
    with started_on(Affinity().services):
        pass
