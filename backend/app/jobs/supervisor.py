"""Supervision of one job worker, which runs as a child process of the service.

Of several service processes on one machine, the one that holds a lock file runs the worker. When it
exits, the operating system releases the lock and another process takes over. A worker that exits
is restarted with exponential backoff. The child inherits no file descriptors except standard output
and error, so it does not keep the listening socket open, and it exits with its parent
(`app.jobs.parent_watch`).
"""

import asyncio
import fcntl
import json
import logging
import os
import sys
import time
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from app.background import BackgroundTasks
from app.metrics_files import FILES
from app.settings import BACKEND_DIR, Settings

logger = logging.getLogger(__name__)

_LOCK_RETRY_S = 1.0
_FIRST_DELAY_S, MAX_DELAY_S = 0.5, 30.0
_STABLE_AFTER_S = 60.0
_STOP_TIMEOUT_S = 10.0
TASK = "job_worker"


def start(background: BackgroundTasks, settings: Settings) -> None:
    """Run one worker for the database of `settings` as a background task."""
    background.keep(MAX_DELAY_S, TASK, partial(_supervise, settings))


async def _supervise(settings: Settings) -> None:
    fd = await _acquire_lock(settings.storage_dir / "worker.lock")
    try:
        delay_s = _FIRST_DELAY_S
        while True:
            started_s = time.monotonic()
            code = await _run_child(settings)
            if time.monotonic() - started_s > _STABLE_AFTER_S:
                delay_s = _FIRST_DELAY_S
            logger.warning("job worker exited with code %d; restarting in %.1f s", code, delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, MAX_DELAY_S)
    finally:
        os.close(fd)


async def _acquire_lock(path: Path) -> int:
    """Wait for the lock; the returned file descriptor holds it until closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # A blocking flock would need a thread, which cannot be cancelled.
                await asyncio.sleep(_LOCK_RETRY_S)
            else:
                return fd
    except BaseException:
        os.close(fd)
        raise


async def _run_child(settings: Settings) -> int:
    """Run one worker until it exits; stop it if this task is cancelled."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.jobs.worker", "--child", str(FILES.directory)),
        stdin=asyncio.subprocess.PIPE,
        env=_environment(settings),
        close_fds=True,
        # Ctrl-C in a terminal signals the whole process group; the service stops the worker itself.
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
    """Return the environment of the worker, with the settings that were set explicitly."""
    values = {name.upper(): _as_text(getattr(settings, name)) for name in settings.model_fields_set}
    given = {name: value for name, value in values.items() if value is not None}
    return {**os.environ, **given, "PYTHONPATH": str(BACKEND_DIR)}


def _as_text(value: object) -> str | None:
    """Convert the value of a setting to the text of an environment variable."""
    match value:
        case None:
            return None
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return json.dumps(value)
        case _:
            return str(value)
