"""The `environment` section of a result: machine, software and commit."""

import os
import platform
from importlib import metadata
from pathlib import Path

import psutil

from straingauge.cpus import usable_cpus
from straingauge.errors import UsageError
from straingauge.git import git
from straingauge.result.format.result import Commit, Environment

_PACKAGES = ("straingauge", "uvloop", "httptools", "numpy", "psutil", "pytest", "pytest-xdist")


def environment(root: Path) -> Environment:
    """Describe this machine, this Python, and the commit of the work tree around `root`."""
    return {
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "cpu": _cpu_model(),
            "cpu_count": os.cpu_count(),
            "usable_cpus": usable_cpus(),
            "memory_mb": round(psutil.virtual_memory().total / 1e6),
        },
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "commit": _commit(root),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _commit(root: Path) -> Commit | None:
    """The commit and whether files differ from it; None outside of a work tree."""
    try:
        head = git(root, "rev-parse", "HEAD")
        return {"id": head, "modified": bool(git(root, "status", "--porcelain", "-uno"))}
    except UsageError:
        return None
