"""The disturbances: how each is caused, and what must hold."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
from tests.chaos.system import LIMIT_S, WORKERS, Part, System, wait_for

from straingauge import TargetError

READY_S = 5.0
"""Goal for the time until the service is ready again."""
FROZEN_S = 5.0
DEADLY = "deadly-job"


@dataclass(frozen=True)
class Disturbance:
    """One kind of disturbance.

    Attributes:
        name: Name for `--only`.
        title: Title in tables.
        strike: Causes it, and returns how many workers must have started since the last start of
            the service until it is ready again.
        refuses_none: Requests must be served throughout.
        frozen_s: Part of the time until the service is ready that the disturbance itself lasts.
        part: What the system needs for it.
    """

    name: str
    title: str
    strike: Callable[[System, random.Random], int]
    refuses_none: bool = False
    frozen_s: float = 0.0
    part: Part | None = None


def kill_worker(system: System, chance: random.Random) -> int:
    """Kill one of the processes that serve requests; its parent starts another."""
    started = system.count_started()
    chance.choice(system.workers()).kill()
    return started + 1


def kill_service(system: System, _chance: random.Random) -> int:
    """Kill all processes of the service, and start it again."""
    system.kill_service()
    system.start_service()
    return WORKERS


def kill_job_worker(system: System, _chance: random.Random) -> int:
    """Kill the process that runs jobs; the service starts another."""
    started = system.count_started()
    system.kill_job_worker()
    return started


def kill_postgres(system: System, _chance: random.Random) -> int:
    """Kill PostgreSQL's main process, and start the server again."""
    started = system.count_started()
    system.restart_postgres()
    return started


def kill_parent(system: System, _chance: random.Random) -> int:
    """Kill the parent of the workers only, and start the service until it stays."""
    psutil.Process(system.service.popen.pid).kill()
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        system.service.popen.wait()
        system.start_service()
        wait_for(lambda: system.has_ended() or system.count_started() > 0, "the service to start")
        if not system.has_ended():
            return WORKERS
        if time.monotonic() > deadline_s:
            raise TargetError("the workers of a killed parent keep the port of the service")


def reload(system: System, _chance: random.Random) -> int:
    """Replace the workers one by one with SIGHUP."""
    started = system.count_started()
    system.service.popen.send_signal(signal.SIGHUP)
    return started + WORKERS


def restart(system: System, _chance: random.Random) -> int:
    """Stop the service with SIGTERM, and start it again."""
    system.stop_service()
    system.start_service()
    return WORKERS


def freeze_worker(system: System, chance: random.Random) -> int:
    """Stop a worker with SIGSTOP, and let it go on with SIGCONT.

    Its parent may replace it, since it does not respond for 5 s.
    """
    started = system.count_started()
    freeze([chance.choice(system.workers())])
    return started


def freeze_postgres(system: System, _chance: random.Random) -> int:
    """Stop all processes of PostgreSQL with SIGSTOP, and let them go on with SIGCONT."""
    started = system.count_started()
    freeze(system.postgres_processes())
    return started


def freeze(processes: Sequence[psutil.Process]) -> None:
    """Stop processes for `FROZEN_S`."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(FROZEN_S)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def kill_by_job(system: System, _chance: random.Random) -> int:
    """Return at once: the job itself, which the campaign uploads, kills its worker each time."""
    return system.count_started()


def kill_pooler(system: System, _chance: random.Random) -> int:
    """Kill PgBouncer, and start it again."""
    assert system.pooler is not None
    started = system.count_started()
    system.pooler.kill_and_restart()
    return started


def take_redis_away(system: System, _chance: random.Random) -> int:
    """Kill Redis, and start it again after `FROZEN_S`, without its counters."""
    assert system.redis is not None
    started = system.count_started()
    system.redis.kill()
    time.sleep(FROZEN_S)
    system.redis.start()
    return started


ALL = {
    each.name: each
    for each in (
        Disturbance("worker", "kill -9 of a worker", kill_worker),
        Disturbance("service", "kill -9 of the whole service", kill_service),
        Disturbance("parent", "kill -9 of the workers' parent", kill_parent),
        Disturbance("job-worker", "kill -9 of the job worker", kill_job_worker),
        Disturbance("postgres", "kill -9 of PostgreSQL", kill_postgres),
        Disturbance("reload", "SIGHUP: workers replaced", reload, refuses_none=True),
        Disturbance("restart", "SIGTERM, and start", restart),
        Disturbance("frozen-worker", "SIGSTOP 5 s: a worker", freeze_worker, frozen_s=FROZEN_S),
        Disturbance(
            "frozen-postgres", "SIGSTOP 5 s: PostgreSQL", freeze_postgres, frozen_s=FROZEN_S
        ),
        Disturbance(DEADLY, "a job that kills its worker", kill_by_job),
        Disturbance("pgbouncer", "kill -9 of PgBouncer", kill_pooler, part=Part.PGBOUNCER),
        Disturbance(
            "pooled-postgres",
            "kill -9 of PostgreSQL behind PgBouncer",
            kill_postgres,
            part=Part.PGBOUNCER,
        ),
        Disturbance(
            "redis", "Redis away for 5 s", take_redis_away, frozen_s=FROZEN_S, part=Part.REDIS
        ),
    )
}
"""The disturbances by name, in the order in which they are run."""
