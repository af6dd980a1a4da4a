"""Processes in the container of the service that it has not started (Linux).

A container often runs several programs side by side: a proxy, the service, a job worker. They share
one control group; see cgroups(7). They belong to the service, not to its neighbours.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
# Other groups, such as the scope of a terminal or of an editor, hold programs of any kind.
_CONTAINER: Final = re.compile(
    r"docker|containerd|kubepods|libpod|crio|/lxc|\.service$", re.MULTILINE
)


class ContainerProcesses:
    """The processes of the container in which the service runs, if it does.

    Args:
        folder: The folder of the processes.
    """

    def __init__(self, folder: Path = _PROC) -> None:
        self._folder = folder
        self._generator = self._group("self")
        self._known: dict[int, str | None] = {}

    def beside(self, root: int, pids: Collection[int]) -> set[int]:
        """Return those of `pids` that are in the control group of the process `root`.

        Empty if that is the group of this process as well, or neither of a container nor of a
        service of systemd: a session of a user has one group for all of its programs.
        """
        known = self._known
        self._known = {pid: known[pid] if pid in known else self._group(pid) for pid in pids}
        group = self._group(root)
        if group is None or group == self._generator or not _CONTAINER.search(group):
            return set()
        return {pid for pid, each in self._known.items() if each == group}

    def _group(self, pid: int | str) -> str | None:
        try:
            return (self._folder / str(pid) / "cgroup").read_text(encoding="utf-8")
        except OSError:  # it has exited, or there are no control groups
            return None
