"""Limits of control groups, from files as those of the kernel, in versions 1 and 2."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from straingauge.observe.group_limits import GroupLimits
from straingauge.result.assembly.limits import generator_limits, limits

V2 = {
    "inner/cpu.max": "max 100000",
    "inner/cpu.stat": "usage_usec 1\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0",
    "inner/memory.max": "max",
    "inner/memory.events": "low 0\nmax 12\noom 1\noom_kill 1",
    "cpu.max": "50000 100000",
    "cpu.stat": "usage_usec 9\nnr_periods 40\nnr_throttled 30\nthrottled_usec 2500000",
    "memory.max": "268435456",
    "memory.events": "oom_kill 7",
}
V1 = {
    "inner/cpu.cfs_quota_us": "-1",
    "inner/cpu.cfs_period_us": "100000",
    "inner/memory.limit_in_bytes": "9223372036854771712",
    "inner/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1",
    "cpu.cfs_quota_us": "50000",
    "cpu.cfs_period_us": "100000",
    "cpu.stat": "nr_periods 40\nnr_throttled 30\nthrottled_time 2500000000",
    "memory.limit_in_bytes": "268435456",
    "memory.oom_control": "oom_kill 7",
}


@pytest.mark.parametrize("files", [V2, V1], ids=["v2", "v1"])
def test_limits_of_a_group_and_those_above(tmp_path: Path, files: Mapping[str, str]):
    """The smallest limits count, with the group that has the quota and that of the process."""
    (tmp_path / "inner").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    folders = [tmp_path / "inner", tmp_path]
    assert GroupLimits.in_folders(folders, folders).sample() == {
        "cpu_quota_cpus": 0.5,
        "cpu_quota_periods": 40,
        "cpu_throttled_periods": 30,
        "cpu_throttled_s": 2.5,
        "memory_limit_bytes": 268435456,
        "oom_kills": 1,
    }


def test_no_control_groups(tmp_path: Path):
    """Without limits, or without control groups, a sample has nothing."""
    for folders in ([], [tmp_path]):
        assert GroupLimits.in_folders(folders, folders).sample() == {}


def test_limits_in_a_result():
    """A result has the limits, the share of periods that were throttled, and what was ended."""
    samples = [
        {
            "t_ns": i * 10**9,
            "cpu_quota_cpus": 0.5,
            "cpu_quota_periods": 100 + 10 * i,
            "cpu_throttled_periods": 50 + 8 * i,
            "cpu_throttled_s": 3 + 0.4 * i,
            "memory_limit_bytes": 256e6,
            "oom_kills": 3 + (i > 1),
        }
        for i in range(4)
    ]
    assert limits(samples) == {
        "cpus": 0.5,
        "throttled_percent": 80.0,
        "throttled_s": 1.2,
        "memory_mb": 256.0,
        "oom_kills": 1,
    }
    assert generator_limits(samples) is None
    own = [
        {f"generator_{key}" if key.startswith("cpu") else key: value for key, value in each.items()}
        for each in samples
    ]
    assert generator_limits(own) == {
        "cpus": 0.5,
        "throttled_percent": 80.0,
        "throttled_s": 1.2,
        "shared": False,
    }
    assert set(limits([]).values()) == {None}
