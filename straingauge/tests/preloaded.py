"""Start Python programs in tests as forks of a process that has imported their libraries.

The tests start hundreds of programs, which spent most of their CPU time on the same imports. After
`install`, `subprocess` starts `python -m NAME`, or the script NAME next to `python`, for some names
by asking such a process, see `fork_server`, to fork itself. The new process is a child of the
process that asked, and has its own arguments, environment, working directory, file descriptors,
session, signal handlers and exit code.

Needs Linux. Programs start as usual elsewhere, and with options that a fork cannot take over.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
"""Option of prctl(2): orphans among the descendants become children of this process."""
TITLE_BYTES = 4096
"""Room for the command line of a fork, which other processes see in /proc."""

_PARAMETERS = (
    *("args", "executable", "preexec_fn", "close_fds", "pass_fds", "cwd", "env", "startupinfo"),
    *("creationflags", "shell", "p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread"),
    *("errwrite", "restore_signals", "gid", "gids", "uid", "umask", "start_new_session"),
    "process_group",
)
"""Parameters of `_execute_child`, in all supported versions of Python."""

_AS_USUAL = {
    "executable": None,
    "preexec_fn": None,
    "shell": False,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "process_group": -1,
}
"""Parameters that a fork cannot take over, with the values that need nothing."""


class ForkServer:
    """A process that has imported modules, and forks itself on request.

    Args:
        modules: Names of the modules.
        control: Connection to a server that runs already.
    """

    def __init__(self, modules: Sequence[str] = (), control: socket.socket | None = None) -> None:
        self._modules = modules
        self._control = control
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def fork(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Return the process id of a new child of this process; the first call starts the server.

        Args:
            request: What `fork_server` expects.
            descriptors: The file descriptors of the child, in the order of the request's numbers.
        """
        with self._lock:
            control = self._control or self._start()
            libc = ctypes.CDLL(None)
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
            try:
                message = json.dumps(request).encode()
                socket.send_fds(control, [len(message).to_bytes(4, "big")], descriptors)
                control.sendall(message)
                answer = control.recv(4)
            finally:
                libc.prctl(PR_SET_CHILD_SUBREAPER, 0)
        if not answer:
            raise RuntimeError("the fork server ended")
        return int.from_bytes(answer, "big")

    def _start(self) -> socket.socket:
        self._control, theirs = socket.socketpair()
        program = Path(__file__).with_name("fork_server.py")
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, program, str(theirs.fileno()), ",".join(self._modules)),
                    " " * TITLE_BYTES,
                ],
                pass_fds=[theirs.fileno()],
                cwd="/",
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a fork keeps only one thread
            )
        return self._control

    def close(self) -> None:
        """End the server; its forks continue."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.wait()
        self._control = self._process = None


def install(modules: Mapping[str, Sequence[str]]) -> Callable[[], None]:
    """Start `python -m NAME` and the script NAME as forks from now on; return how to end this.

    Args:
        modules: Modules to import before, by NAME. Names with equal modules share a server.
    """
    if sys.platform != "linux":
        return lambda: None
    servers = {tuple(each): ForkServer(each) for each in modules.values()}
    original = subprocess.Popen
    use({name: servers[tuple(each)] for name, each in modules.items()})

    def end() -> None:
        subprocess.Popen = original  # type: ignore[misc]
        for server in servers.values():
            server.close()

    return end


def use(servers: Mapping[str, ForkServer]) -> None:
    """Start programs with the server of their name, and `python -u -c` with that of "-c"."""

    class Popen(subprocess.Popen[Any]):
        def _execute_child(self, *values: Any) -> None:  # noqa: ANN401 -- as subprocess calls it
            given = dict(zip(_PARAMETERS, values, strict=True))
            server = servers.get(_program(given))
            if server is None:
                super()._execute_child(*values)  # type: ignore[misc]
                return
            env = os.environ if given["env"] is None else given["env"]
            words = [os.fsdecode(word) for word in given["args"]]
            request = {
                "arguments": words if _is_python(words[0]) else [sys.executable, *words],
                "folder": os.fsdecode(Path.cwd() if given["cwd"] is None else given["cwd"]),
                "environment": {os.fsdecode(k): os.fsdecode(v) for k, v in env.items()},
                "session": given["start_new_session"],
                "numbers": [0, 1, 2, *given["pass_fds"]],
            }
            standard = (given["p2cread"], given["c2pwrite"], given["errwrite"])
            inherited = [number if own == -1 else own for number, own in enumerate(standard)]
            self.pid = server.fork(request, [*inherited, *given["pass_fds"]])
            self._child_created = True
            ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(given[end] for end in ends))  # type: ignore[attr-defined]

    subprocess.Popen = Popen  # type: ignore[misc]


def _program(given: Mapping[str, Any]) -> str:
    """Return NAME of `python -m NAME` or of a script, "-c" of `python -u -c`, or nothing."""
    words = given["args"]
    if (
        any(given[name] != value for name, value in _AS_USUAL.items())
        or isinstance(words, str | bytes | os.PathLike)
        or _options(given["env"]) != _options(None)
    ):
        return ""
    python, *words = map(os.fsdecode, words)
    if not _is_python(python):
        script = Path(os.path.normpath(python))
        return script.name if _is_python(str(script.with_name(Path(sys.executable).name))) else ""
    if words[:2] == ["-u", "-c"]:
        return "-c"
    return module_name(words)[0]


def _is_python(program: str) -> bool:
    return os.path.normpath(program) == os.path.normpath(sys.executable)


def module_name(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Split the arguments `-m NAME ...` or `-mNAME ...` into the name and the rest."""
    if words[:1] == ["-m"]:
        return words[1], words[2:]
    return (words[0][2:], words[1:]) if words and words[0].startswith("-m") else ("", words)


def _options(env: Mapping[Any, Any] | None) -> dict[str, str]:
    """Return the variables that an interpreter reads at its start and a fork does not."""
    taken_over = {"PYTHONPATH", "PYTHONUNBUFFERED"}
    variables = {
        os.fsdecode(name): os.fsdecode(value)
        for name, value in (os.environ if env is None else env).items()
    }
    prefixes = ("PYTHON", "LC_", "LANG")
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(prefixes) and name not in taken_over
    }
