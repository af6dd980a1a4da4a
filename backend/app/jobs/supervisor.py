"""Keeps one job worker alive beside the service, as its child process.

Of several service processes on one machine only the one that holds a lock file keeps a worker; when
it ends, the operating system lets go of the lock and another takes over. A worker that dies is
started again, later each time it dies soon. The child has no file of its parent's but standard
output and error, so it does not hold the listening socket, and it ends with its parent
(`app.jobs.lifeline`).
"""

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from app.settings import BACKEND_DIR, Settings

logger = logging.getLogger(__name__)

_LOCK_RETRY_S = 1.0
_FIRST_DELAY_S, _MAX_DELAY_S = 0.5, 30.0
_LONG_LIFE_S = 60.0
_STOP_TIMEOUT_S = 10.0


@asynccontextmanager
async def supervised_worker(settings: Settings) -> AsyncIterator[None]:
    """One worker for the database of `settings`, for as long as the block lasts."""
    task = asyncio.create_task(_supervise(settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _supervise(settings: Settings) -> None:
    handle = await _lock(_lock_path(settings))
    try:
        delay_s = _FIRST_DELAY_S
        while True:
            started_s = time.monotonic()
            code = await _run_child(settings)
            if time.monotonic() - started_s > _LONG_LIFE_S:
                delay_s = _FIRST_DELAY_S
            logger.warning("the job worker ended with code %d; next in %.1f s", code, delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _MAX_DELAY_S)
    finally:
        os.close(handle)


def _lock_path(settings: Settings) -> Path:
    """One lock for each database, beside the recordings."""
    database = hashlib.sha256(settings.driver_url.encode()).hexdigest()[:12]
    return settings.storage_dir / f"worker-{database}.lock"


async def _lock(path: Path) -> int:
    """Wait until the lock is ours. The handle that is returned holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # A blocking flock would need a thread that nothing can interrupt.
                await asyncio.sleep(_LOCK_RETRY_S)
            else:
                return handle
    except BaseException:
        os.close(handle)
        raise


async def _run_child(settings: Settings) -> int:
    """Run one worker until it ends; stop it when this task is cancelled."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.jobs.worker", "--child"),
        stdin=asyncio.subprocess.PIPE,
        env=_environment(settings),
        close_fds=True,
        # Ctrl-C in a terminal goes to the whole group; the service tells its worker itself.
        start_new_session=True,
    )
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                child.kill()
                await child.wait()


def _environment(settings: Settings) -> dict[str, str]:
    """Our environment and settings: those need not have come from there."""
    given = {name.upper(): _text(getattr(settings, name)) for name in settings.model_fields_set}
    known = {name: value for name, value in given.items() if value is not None}
    return {**os.environ, **known, "PYTHONPATH": str(BACKEND_DIR)}


def _text(value: object) -> str | None:
    """A setting's value as an environment variable."""
    match value:
        case None:
            return None
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return json.dumps(value)
        case _:
            return str(value)
