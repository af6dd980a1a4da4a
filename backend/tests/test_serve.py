import gc
import importlib
import multiprocessing
import os
import resource
from types import SimpleNamespace
from typing import Any

import app.serve
import pytest
import uvicorn
from app.serve import DEFAULTS, WORKER_START_S, Supervisor, preload
from uvicorn.supervisors import Multiprocess


def test_defaults_are_options_of_uvicorn():
    """Each default is an option of uvicorn, and options of the command line take precedence."""
    params = uvicorn.main.make_context("serve", [], default_map=DEFAULTS).params
    assert {name: params[name] for name in DEFAULTS} == DEFAULTS
    arguments = ["tests:other", "--timeout-graceful-shutdown", "3"]
    params = uvicorn.main.make_context("serve", arguments, default_map=DEFAULTS).params
    assert (params["app"], params["timeout_graceful_shutdown"]) == ("tests:other", 3)


def test_limit_of_open_files_is_raised(monkeypatch: pytest.MonkeyPatch):
    """The service may open as many files as the hard limit allows."""
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda *arguments: limits.append(arguments))
    app.serve.raise_file_limit()
    assert limits == [(resource.RLIMIT_NOFILE, (4096, 4096))]


@pytest.mark.parametrize(("exit_codes", "code"), [((-15, 3), 3), ((0, -15), None), ((None,), None)])
def test_refused_start_of_a_worker_is_a_failure(
    exit_codes: tuple[int | None, ...], code: int | None, monkeypatch: pytest.MonkeyPatch
):
    """With several workers, the parent exits with 3 if one has refused to start."""
    supervisor = Supervisor.__new__(Supervisor)
    workers: list[Any] = [SimpleNamespace(exitcode=each) for each in exit_codes]
    supervisor.processes = workers
    monkeypatch.setattr(Multiprocess, "run", lambda _: None)
    if code is None:
        supervisor.run()
    else:
        with pytest.raises(SystemExit) as ended:
            supervisor.run()
        assert ended.value.code == code


def test_command_uses_the_supervisor(monkeypatch: pytest.MonkeyPatch):
    """`python -m app.serve --workers 2` runs its workers under the supervisor."""
    command = importlib.import_module("uvicorn.main")
    monkeypatch.setattr(command, "Multiprocess", Multiprocess)
    monkeypatch.setattr(app.serve, "raise_file_limit", lambda: None)
    with pytest.raises(SystemExit):
        app.serve.main(["--version"])
    assert vars(command)["Multiprocess"] is Supervisor


def test_replacement_of_a_worker_may_start_slowly(monkeypatch: pytest.MonkeyPatch):
    """While workers are replaced, a new one has a minute to start; a silent one keeps its 5 s."""
    supervisor = Supervisor.__new__(Supervisor)
    supervisor.config = uvicorn.Config("app.main:app")
    usual_s = supervisor.config.timeout_worker_healthcheck
    used_s: list[float] = []

    def fail(self: Multiprocess) -> None:
        used_s.append(self.config.timeout_worker_healthcheck)
        raise OSError("no memory for another process")

    monkeypatch.setattr(Multiprocess, "restart_all", fail)
    with pytest.raises(OSError, match="no memory"):
        supervisor.restart_all()
    assert used_s == [WORKER_START_S]
    assert supervisor.config.timeout_worker_healthcheck == usual_s


@pytest.mark.parametrize(("name", "context"), [("json:loads", "fork"), ("no_such_app:a", "spawn")])
def test_app_is_imported_before_workers_start(
    name: str, context: str, monkeypatch: pytest.MonkeyPatch
):
    """Workers are forks if the app can be imported; else each of them says that it cannot."""
    subprocess = vars(importlib.import_module("uvicorn._subprocess"))
    monkeypatch.setitem(subprocess, "spawn", multiprocessing.get_context("spawn"))
    hooks: list[Any] = []
    monkeypatch.setattr(os, "register_at_fork", lambda **hook: hooks.append(hook))
    monkeypatch.setattr(gc, "freeze", lambda: None)
    preload(uvicorn.Config(name))
    assert subprocess["spawn"].get_start_method() == context
    assert len(hooks) == (context == "fork")
