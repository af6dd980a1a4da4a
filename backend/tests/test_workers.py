"""Workers of the service: forks of a process that has imported the app."""

import re
import signal
import sys
from collections.abc import Callable

import psutil
import pytest
from service import Service, until


def workers_of(service: Service) -> list[psutil.Process]:
    """Return the workers of a service, without its job worker."""
    assert service._process is not None
    children = psutil.Process(service._process.pid).children()
    commands = [(child, command_of(child)) for child in children]
    return [child for child, command in commands if command and "resource_tracker" not in command]


def command_of(process: psutil.Process) -> str:
    """Return the command of a process; empty if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def is_fork(worker: psutil.Process) -> bool:
    """Return true if a worker has the command of its parent."""
    return "app.serve" in command_of(worker)


def has_ended(process: psutil.Process) -> bool:
    """Return true if a process has ended, whether or not its parent has noticed."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ids_of(service: Service) -> set[str]:
    """Return the prefixes of the request ids of some requests."""
    pages = (service.get("/nowhere")[1] for _ in range(20))
    return {re.findall(r'"request_id":"(\w+)-', page)[0] for page in pages}


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform != "linux", reason="workers are forks on Linux only")
async def test_workers_are_forks_until_sighup(serve: Callable[..., Service]):
    """Workers are forks, also those that replace killed ones; after SIGHUP they import the code."""
    service = serve("--workers", "2")
    await until(lambda: len(ids_of(service)) == 2)  # no request id is that of another worker
    first = workers_of(service)
    assert list(map(is_fork, first)) == [True, True]
    first[0].kill()
    first[0].wait()
    await until(lambda: len(set(workers_of(service)) - set(first)) == 1)
    await until(lambda: len(ids_of(service)) == 2)
    assert all(map(is_fork, workers_of(service)))
    assert service._process is not None
    service._process.send_signal(signal.SIGHUP)
    await until(lambda: [is_fork(each) for each in workers_of(service)] == [False, False])
    assert service.get("/live")[0] == 200
    assert service.stop() in {0, -2, 130}


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform != "linux", reason="workers are forks on Linux only")
async def test_all_workers_stop_with_their_parent(serve: Callable[..., Service]):
    """Workers end when their parent is killed, though forks have copies of each other's pipes."""
    service = serve("--workers", "3")
    workers = workers_of(service)
    assert service._process is not None
    service._process.kill()
    await until(lambda: all(map(has_ended, workers)))
