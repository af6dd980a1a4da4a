"""The command that starts the service: `python -m app.serve [APP] [OPTIONS]`.

It is uvicorn's command with the service's own defaults, so every way of starting has the same
limits. Options of uvicorn and its `UVICORN_*` variables take precedence.
"""

import gc
import importlib
import multiprocessing
import os
import resource
import signal
import sys
from socket import socket
from typing import Any, Literal

import uvicorn
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import SIGNALS

GRACEFUL_SHUTDOWN_S = 8
"""Time for requests in flight after SIGTERM. The job worker has 10 s after it, so the whole stop
fits into the 20 s that the stack, compose and Kubernetes allow."""

KEEP_ALIVE_S = 5
"""Time that a connection may idle after a response. Also uvicorn's default, stated because a proxy
in front needs a shorter one: it must not send on a connection that is being closed."""

WORKER_START_S = 60
"""Time that a new worker may take to start while workers are replaced (SIGHUP). Starting costs
seconds of CPU time, so a busy machine needs longer than the 5 s after which a running worker that
does not respond is replaced. A worker that fails to start ends the wait at once."""

DEFAULTS: dict[str, Any] = {
    "app": "app.main:app",
    "http": "app.http_protocol:LimitedHttpProtocol",
    "ws": "none",  # the service has no WebSockets, and their connections would escape the limits
    "proxy_headers": False,  # `app.client_address` reads them, from trusted proxies only
    "access_log": False,  # that of uvicorn has URLs, with ids and names; `app.logs` has its own
    "server_header": False,  # which server answers is of use to attackers only
    "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_S,
    "timeout_keep_alive": KEEP_ALIVE_S,
}


class Supervisor(Multiprocess):
    """The parent of several workers. If one refuses to start, it ends as a single process does.

    On Linux it imports the app, and workers are forks of it: importing takes most of the start of a
    worker, so a killed one is replaced sooner, and the code takes its memory once. SIGHUP replaces
    the workers one by one by processes that import the code again, as all later ones do.
    """

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        if sys.platform == "linux":  # the libraries of macOS do not survive a fork
            preload(config)

    def restart_all(self) -> None:
        """Replace each worker once its replacement serves, which may take `WORKER_START_S`."""
        start_workers_by("spawn")
        usual_s = self.config.timeout_worker_healthcheck
        self.config.timeout_worker_healthcheck = WORKER_START_S
        try:
            super().restart_all()
        finally:
            self.config.timeout_worker_healthcheck = usual_s

    def run(self) -> None:
        """Run the workers until they are stopped.

        Raises:
            SystemExit: A worker failed before it served; uvicorn's parent would exit with 0.
        """
        super().run()
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            sys.exit(STARTUP_FAILURE)


def preload(config: Config) -> None:
    """Import the app, and let workers be forks of this process.

    Only the module is imported: settings are read, and the app is created, in each worker.
    """
    assert isinstance(config.app, str)
    try:
        importlib.import_module(config.app.partition(":")[0])
    except ImportError:
        return  # the workers will say so
    gc.collect()
    gc.freeze()  # the collector would write to the memory that is shared with the workers
    os.register_at_fork(after_in_child=_restore_signals)
    start_workers_by("fork")


def start_workers_by(method: Literal["fork", "spawn"]) -> None:
    """Select how uvicorn starts processes; it has no option for that."""
    context = multiprocessing.get_context(method)
    vars(importlib.import_module("uvicorn._subprocess"))["spawn"] = context


def _restore_signals() -> None:
    """Replace the handlers of the supervisor, which only note signals, in a worker that begins."""
    for number in SIGNALS:
        is_interrupt = number == signal.SIGINT
        signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)


def raise_file_limit() -> None:
    """Raise the number of files that the process may open to the hard limit.

    The soft limit is often 1,024 for the sake of programs that use `select`, which this one does
    not. Each connection is a file.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: list[str] | None = None) -> None:
    """Run the service until it is stopped."""
    raise_file_limit()
    # The name `uvicorn.main` is its command, which hides the module.
    vars(importlib.import_module("uvicorn.main"))["Multiprocess"] = Supervisor
    uvicorn.main.main(arguments, prog_name="python -m app.serve", default_map=DEFAULTS)


if __name__ == "__main__":
    main()
