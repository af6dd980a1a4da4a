"""Open files, sockets and threads of processes by what they are, so that a leak has a name."""

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import psutil

MAX_PROCESSES: Final = 16
MAX_FILES: Final = 10_000  # of a process: reading one takes about 10 us
MAX_THREADS: Final = 2_000
MIN_MORE: Final = 3  # fewer are a log file, a connection of the pool, a timer
MAX_KINDS: Final = 5

_NUMBERED: Final = re.compile(r"[-_:# ]*\d+$")

Inventory = Mapping[int, Mapping[str, int]]
"""For each process id the number of open files, sockets and threads of each kind."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """Resources of one kind that a process has after a load beyond those before it.

    Attributes:
        pid: The process.
        process: Name of its program.
        kind: Such as "sockets to 10.0.0.7:443", "files in /tmp" or "threads named worker".
        before: Their number before the load.
        after: Their number after it.
    """

    pid: int
    process: str
    kind: str
    before: int
    after: int


def inventory(pids: Collection[int]) -> Inventory:
    """Count what processes have open; one that has exited or is not accessible is not counted."""
    found: dict[int, Counter[str]] = {}
    for pid in [*pids][:MAX_PROCESSES]:
        with contextlib.suppress(OSError, psutil.Error):
            found[pid] = Counter(_file_kinds(pid)) + Counter(_thread_kinds(pid))
    return found


def remaining(before: Inventory, after: Inventory) -> list[Remaining]:
    """Return what grew between two inventories of the same processes, the most first."""
    grown = [
        Remaining(pid, _program(pid), kind, before[pid].get(kind, 0), count)
        for pid, kinds in after.items()
        if pid in before
        for kind, count in kinds.items()
        if count - before[pid].get(kind, 0) >= MIN_MORE
    ]
    return sorted(grown, key=lambda each: each.before - each.after)[:MAX_KINDS]


def _file_kinds(pid: int) -> Iterator[str]:
    """Yield the kind of each open file; of files with one name once each, those in a folder."""
    sockets = {each.fd: each for each in psutil.Process(pid).net_connections("all")}
    listening = {
        _port(each.laddr) for each in sockets.values() if each.status == psutil.CONN_LISTEN
    }
    files: Counter[str] = Counter()
    for fd, target in _links(pid):
        if fd in sockets:
            yield _socket_kind(sockets[fd], listening)
        elif target.startswith("/"):
            files[target.removesuffix(" (deleted)")] += 1
        else:
            yield _other_kind(target)
    for path, times in files.items():
        kind = f"file {path}" if times >= MIN_MORE else f"files in {PurePosixPath(path).parent}"
        yield from [kind] * times


def _links(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the open files of a process with what they lead to (Linux)."""
    for entry, _ in zip(Path(f"/proc/{pid}/fd").iterdir(), range(MAX_FILES), strict=False):
        with contextlib.suppress(OSError):  # closed meanwhile
            yield int(entry.name), str(entry.readlink())


def _socket_kind(each: Any, listening: Collection[int]) -> str:  # noqa: ANN401  psutil's sconn
    if not each.raddr:
        return "listening sockets" if each.status == psutil.CONN_LISTEN else "Unix sockets"
    if isinstance(each.raddr, str):
        return f"Unix sockets to {each.raddr}"
    if _port(each.laddr) in listening:
        return "connections of clients"
    host = each.raddr.ip.removeprefix("::ffff:")
    address = f"[{host}]:{each.raddr.port}" if ":" in host else f"{host}:{each.raddr.port}"
    closed = ", closed by the other side" if each.status == psutil.CONN_CLOSE_WAIT else ""
    return f"sockets to {address}{closed}"


def _port(address: Any) -> int:  # noqa: ANN401  psutil's addr, a path, or an empty tuple
    return int(getattr(address, "port", 0))


def _other_kind(target: str) -> str:
    name = target.partition(":")[0]
    if name == "anon_inode":
        return f"{target.removeprefix('anon_inode:').strip('[]')} handles"
    return {"pipe": "pipes", "socket": "closed or unconnected sockets"}.get(name, name)


def _thread_kinds(pid: int) -> Iterator[str]:
    """Yield the kind of each thread that was given a name, without its number."""
    tasks = Path(f"/proc/{pid}/task")
    main = (tasks / str(pid) / "comm").read_text("utf-8", "replace")
    for entry, _ in zip(tasks.iterdir(), range(MAX_THREADS), strict=False):
        with contextlib.suppress(OSError):  # it has ended
            name = (entry / "comm").read_text("utf-8", "replace")
            if name != main:
                yield f"threads named {_NUMBERED.sub('', name.strip()) or name.strip()}"


def _program(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).name()
    return "the service"
