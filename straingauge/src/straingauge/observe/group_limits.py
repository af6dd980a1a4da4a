"""CPU and memory that a process's control groups allow, and what happened at these limits.

Files: `cpu.stat` and `memory.events` of cgroup v2, `cpu.stat` and `memory.oom_control` of v1; see
Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of Linux.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from straingauge.control_groups import counters, cpu_quota, group_folders

_NO_LIMIT_BYTES: Final = 2**60  # cgroup v1 writes a number near 2**63
_VMSTAT: Final = Path("/proc/vmstat")


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Control groups that limit a process; they remain readable after it has exited.

    Attributes:
        cpu: The group with the smallest quota of CPU time; None without a quota.
        cpus: That quota, in CPUs.
        memory: The innermost group that counts those of its processes that were ended.
        memory_bytes: The smallest limit of the memory; None without a limit.
    """

    cpu: Path | None
    cpus: float | None
    memory: Path | None
    memory_bytes: int | None

    @classmethod
    def of_process(cls, pid: int | str = "self") -> Self:
        """Read the limits of a process."""
        return cls.in_folders(group_folders("cpu", pid), group_folders("memory", pid))

    @classmethod
    def in_folders(cls, cpu: list[Path], memory: list[Path]) -> Self:
        """Read the limits of groups, the innermost first."""
        quotas = [(cpus, folder) for folder in cpu if (cpus := cpu_quota(folder)) is not None]
        cpus, group = min(quotas, key=lambda each: each[0], default=(None, None))
        limits = [limit for folder in memory if (limit := _memory_limit(folder)) is not None]
        counting = (each for each in memory if _oom_kills(each) is not None)
        return cls(group, cpus, next(counting, None), min(limits, default=None))

    def sample(self) -> dict[str, float]:
        """Return the limits and what was counted so far, without what is not known."""
        found: dict[str, float] = {}
        if self.cpu is not None and self.cpus is not None:
            stat = counters(self.cpu / "cpu.stat")
            if "nr_throttled" in stat and "nr_periods" in stat:
                found["cpu_quota_cpus"] = self.cpus
                found["cpu_quota_periods"] = stat["nr_periods"]
                found["cpu_throttled_periods"] = stat["nr_throttled"]
                found["cpu_throttled_s"] = _throttled_s(stat)
        if self.memory_bytes is not None:
            found["memory_limit_bytes"] = self.memory_bytes
        kills = None if self.memory is None else _oom_kills(self.memory)
        if kills is not None:
            found["oom_kills"] = kills
        return found


class LimitSampler:
    """Samples of the limits of the service and of this process, which belongs to the generator."""

    def __init__(self) -> None:
        self._generator = GroupLimits.of_process()
        self._service: GroupLimits | None = None
        self._pid = 0

    def sample(self, pid: int | None) -> dict[str, float]:
        """Return a sample.

        Args:
            pid: The topmost process of the service; None if it is unknown or has exited.
        """
        if pid is not None and pid != self._pid:
            self._service, self._pid = GroupLimits.of_process(pid), pid
        own = self._generator.sample()
        found = {f"generator_{key}": own[key] for key in own if key.startswith("cpu_")}
        kills = counters(_VMSTAT).get("oom_kill")
        if kills is not None:
            found["machine_oom_kills"] = kills
        if self._service is not None:
            found |= self._service.sample()
            if self._service.cpu is not None and self._service.cpu == self._generator.cpu:
                found["cpu_quota_shared"] = 1
        return found


def _throttled_s(stat: Mapping[str, int]) -> float:
    """Return for how long processes waited for the next period, summed over CPUs."""
    if "throttled_usec" in stat:
        return stat["throttled_usec"] / 1e6
    return stat.get("throttled_time", 0) / 1e9


def _oom_kills(folder: Path) -> int | None:
    for name in ("memory.events", "memory.oom_control"):
        kills = counters(folder / name).get("oom_kill")
        if kills is not None:
            return kills
    return None


def _memory_limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            limit = (folder / name).read_text(encoding="ascii").strip()
            return int(limit) if limit != "max" and int(limit) < _NO_LIMIT_BYTES else None
        except (OSError, ValueError):
            continue
    return None
