"""Background tasks: they outlive exceptions, and /health names those that do not run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
from app import background
from app.background import BackgroundTasks
from app.jobs import maintenance, supervisor
from app.metrics import background_metrics, render
from app.metrics_files import FILES
from app.settings import Settings
from fastapi import FastAPI
from service import until
from test_metrics import numbers


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let failed tasks go on at once."""
    monkeypatch.setattr(background, "FIRST_PAUSE_S", 0.0)


@pytest.fixture
async def tasks(tmp_path: Path) -> AsyncIterator[BackgroundTasks]:
    """Background tasks with metrics in a new directory."""
    with FILES.open_in(tmp_path / "metrics"):
        async with BackgroundTasks() as tasks:
            yield tasks


def failing(exception: BaseException, *, times: int) -> tuple[list[int], Callable[..., object]]:
    """Return work that raises an exception in its first runs, and the list of its runs."""
    runs: list[int] = []

    async def work() -> None:
        runs.append(len(runs))
        if len(runs) <= times:
            raise exception

    return runs, work


def failures(task: str) -> float:
    """Return the number of failures of a task in /metrics."""
    rows = numbers(render(None).decode(), "background_task_failures_total")
    return rows.get(f'task="{task}"', 0.0)


@pytest.mark.parametrize(
    "exception",
    [OSError(13, "Permission denied"), KeyError("x"), asyncio.CancelledError(), TimeoutError()],
    ids=repr,
)
async def test_exception_does_not_end_a_task(
    tasks: BackgroundTasks, exception: BaseException, caplog: pytest.LogCaptureFixture
):
    """After an exception a task is repeated; the exception is logged with its stack and counted."""
    runs, work = failing(exception, times=3)
    before = failures("sweep")
    tasks.every(0.0, "sweep", work)
    await until(lambda: len(runs) > 5)
    assert failures("sweep") == before + 3
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.exc_info is not None for record in errors] == [True] * 3
    assert "sweep" in errors[0].getMessage()


async def test_endless_task_is_restarted(tasks: BackgroundTasks):
    """A task that should never end is restarted after an exception and after its end."""
    runs, work = failing(ValueError(), times=2)
    before = failures("watch")
    tasks.keep(0.0, "watch", work)
    await until(lambda: len(runs) > 4)
    assert failures("watch") == before + 2


async def test_tasks_end_with_their_service(tmp_path: Path):
    """Tasks are cancelled at the end of the context, also those that run."""
    ended = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with FILES.open_in(tmp_path):
        async with BackgroundTasks() as tasks:
            tasks.keep(30.0, "wait", wait)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert ended.is_set()


def test_task_is_late_after_three_periods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A task that has not run for more than three periods is late, also if it never ran."""
    now_s = 1e9
    monkeypatch.setattr("time.time", lambda: now_s)
    with FILES.open_in(tmp_path / "metrics"):
        background_metrics.on_run("ran")
        for age_s, expected in ((299.0, "ok"), (301.0, "late")):
            now_s = 1e9 + age_s
            states = background.states({"ran": 100.0, "never": 100.0}, 1e9)
            assert [states[name]["status"] for name in ("ran", "never")] == [expected] * 2
            assert (states["ran"]["last_run_s"], states["never"]["last_run_s"]) == (age_s, None)


class TestHealth:
    """The background tasks in /health."""

    @pytest.fixture
    def settings(
        self, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
    ) -> Settings:
        """Settings of a service whose job worker does not run."""
        monkeypatch.setattr(supervisor, "start", lambda *_: None)
        return make_settings(job_worker=True)

    async def test_health_names_a_task_that_does_not_run(
        self, app: FastAPI, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ):
        """/health is degraded, and names each task that has not run for three periods."""
        assert app.state.settings.job_worker
        for name in (supervisor.TASK, *maintenance.TASKS):
            background_metrics.on_run(name)
        body = (await client.get("/health")).json()
        assert body["status"] == "ok"
        assert {task["status"] for task in body["background_tasks"].values()} == {"ok"}
        app.state.started_s = 0.0
        monkeypatch.setattr("app.health.endpoints._TASKS_FOR_S", 0.0)
        monkeypatch.setattr(maintenance, "INTERVAL_S", 0.0)
        response = await client.get("/health")
        assert (response.status_code, response.json()["status"]) == (200, "degraded")
        tasks = response.json()["background_tasks"]
        assert {name for name, task in tasks.items() if task["status"] == "late"} == set(
            maintenance.TASKS
        )
