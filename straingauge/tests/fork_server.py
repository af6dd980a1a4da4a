"""The process that `preloaded` asks to fork: `fork_server.py DESCRIPTOR MODULE,... PADDING`.

It reads requests from a Unix socket, and answers each with the process id of the fork. A fork first
becomes an orphan, so that Linux hands it over to the process that asked.
"""

import ctypes
import gc
import importlib
import json
import os
import posix  # the functions that gevent replaces in `os`
import runpy
import signal
import socket
import sys
import time
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preloaded import ForkServer, module_name, use


def _serve(control: socket.socket, paths: Sequence[str]) -> Callable[[], object]:
    """Answer requests until the other end is closed; return, in each fork, its program."""
    while True:
        head, descriptors, _, _ = socket.recv_fds(control, 4, 16)
        if not head:
            os._exit(0)
        request = json.loads(_receive(control, int.from_bytes(head, "big")))
        reading, writing = os.pipe()
        middle = posix.fork()
        if middle == 0:
            child = posix.fork()
            if child == 0:
                posix.close(reading)
                posix.close(writing)
                return _become(request, descriptors, control, paths)
            os.write(writing, child.to_bytes(4, "big"))
            os._exit(0)
        for descriptor in (writing, *descriptors):
            posix.close(descriptor)
        posix.waitpid(middle, 0)  # from now on, the fork has its new parent
        control.sendall(os.read(reading, 4))
        posix.close(reading)


def _receive(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = control.recv(size - len(data))
        if not part:
            os._exit(0)
        data += part
    return data


def _become(
    request: Mapping[str, Any],
    descriptors: Sequence[int],
    control: socket.socket,
    paths: Sequence[str],
) -> Callable[[], object]:
    """Take over what a process gets from its parent; return the program."""
    if "gevent" in sys.modules:
        sys.modules["gevent"].reinit()
    if request["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    control.close()
    words = request["arguments"]
    if "-n" in words:  # pytest with processes of xdist: they are forks of a fork with no program
        ours, theirs = socket.socketpair()
        if posix.fork() == 0:
            ours.close()
            for descriptor in descriptors:
                posix.close(descriptor)
            return _serve(theirs, paths)
        theirs.close()
        use({"-c": ForkServer(control=ours)})
    _take(descriptors, request["numbers"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _show(words)
    return _program(words, paths)


def _take(descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Give the descriptors their numbers, and open the standard streams."""
    high = [os.dup2(each, 500 + each, inheritable=False) for each in descriptors]
    for descriptor, number in zip(high, numbers, strict=True):
        os.dup2(descriptor, number)
    for descriptor in {*high, *descriptors}.difference(numbers):
        posix.close(descriptor)
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, closefd=False),
        os.fdopen(1, "w", closefd=False),
        os.fdopen(2, "w", closefd=False, errors="backslashreplace", buffering=1),
    )
    sys.stdout.reconfigure(write_through=at_once)
    vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout, __stderr__=sys.stderr)


def _show(words: Sequence[str]) -> None:
    """Show the arguments to other processes, in place of those of the server."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    title = os.fsencode(" ".join(words))[: end - start - 2]
    # Without a zero byte at the end, Linux shows the text before the first one.
    ctypes.memmove(start, title.ljust(end - start - 1, b"\0") + b" ", end - start)


def _program(words: Sequence[str], paths: Sequence[str]) -> Callable[[], object]:
    sys.orig_argv = list(words)
    added = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if words[1:3] == ["-u", "-c"]:
        sys.path[:] = ["", *added, *paths]
        sys.argv[:] = ["-c", *words[4:]]
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        return lambda: exec(words[3], module.__dict__)  # noqa: S102 -- that is the program
    name, rest = module_name(words[1:])
    if not name:
        sys.path[:] = [str(Path(words[1]).parent), *added, *paths]
        sys.argv[:] = words[1:]
        return lambda: runpy.run_path(words[1], run_name="__main__")
    sys.path[:] = [str(Path.cwd()), *added, *paths]
    sys.argv[:] = ["-m", *rest]
    return lambda: runpy.run_module(name, run_name="__main__", alter_sys=True)


def main() -> None:
    """Import the modules, and answer requests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt of a terminal is for the tests
    control = socket.socket(fileno=int(sys.argv[1]))
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [path for path in sys.path[1:] if path not in added]
    for name in sys.argv[2].split(","):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _serve(control, paths)()


if __name__ == "__main__":
    main()
