"""Folders of the control groups of a process (Linux, cgroup v1 and v2), and what they contain."""

from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")


def group_folders(controller: str, pid: int | str = "self") -> list[Path]:
    """Return the group of a process and those above it, the innermost first; empty if unknown.

    Args:
        controller: Name of the controller, such as "cpu" or "memory".
        pid: The process; this one by default.
    """
    return folders_in(CGROUPS, Path(f"/proc/{pid}/cgroup"), controller)


def folders_in(cgroups: Path, groups: Path, controller: str) -> list[Path]:
    """Return the folders of the groups that a file lists.

    Args:
        cgroups: Folder where the hierarchies are mounted.
        groups: The file, of the form of `/proc/PID/cgroup`.
        controller: Name of the controller.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux, or the process has exited
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        roots = [cgroups / controllers, cgroups / controller] if controllers else [cgroups]
        for root in roots:
            folder = root / path.lstrip("/")
            # In a container, the path may be one of the host: then only the root exists here.
            found += [
                each
                for each in (folder, *folder.parents)
                if each.is_relative_to(root) and each.is_dir()
            ]
    return list(dict.fromkeys(found))


def cpu_quota(folder: Path) -> float | None:
    """Return the quota of a group in CPUs; None without one.

    Files: `cpu.max` of cgroup v2, `cpu.cfs_quota_us` and `cpu.cfs_period_us` of v1.
    """
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip()
                for name in ("quota", "period")
            )
        return int(quota) / int(period) if quota != "max" and int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def counters(file: Path) -> dict[str, int]:
    """Return the lines `name number` of a file, such as `cpu.stat`; empty if it is not there."""
    try:
        lines = [line.split() for line in file.read_text(encoding="ascii").splitlines()]
        return {words[0]: int(words[1]) for words in lines if len(words) == 2}
    except (OSError, ValueError):
        return {}
