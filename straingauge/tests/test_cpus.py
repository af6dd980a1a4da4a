import math
import os
from pathlib import Path

import pytest
from straingauge.control_groups import folders_in

from straingauge import cpus


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, 1.5),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/host/only\n", {"cpu.max": "200000 100000"}, 2.0),
        ("0::/\n", {}, math.inf),
        (
            "4:cpu,cpuacct:/x\n3:memory:/x\n",
            {
                "cpu,cpuacct/x/cpu.cfs_quota_us": "300000",
                "cpu,cpuacct/x/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        (
            "4:cpu:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"},
            math.inf,
        ),
    ],
)
def test_quota_of_a_container(tmp_path: Path, groups: str, files: dict[str, str], quota: float):
    """The smallest quota of cgroup v2 or v1 counts, of the process's group and those above."""
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    own = tmp_path / "own"
    own.write_text(groups)
    assert cpus._quota(folders_in(tmp_path / "cgroup", own, "cpu")) == quota


def test_usable_cpus_are_those_of_affinity_and_quota(monkeypatch: pytest.MonkeyPatch):
    """The affinity limits the number of CPUs, the quota limits it further; one is always left."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)
    for quota, expected in ((math.inf, 4), (2.9, 2), (0.5, 1)):
        monkeypatch.setattr(cpus, "_quota", lambda *_paths, quota=quota: quota)
        assert cpus.usable_cpus() == expected
