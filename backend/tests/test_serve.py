import resource

import app.serve
import pytest
import uvicorn
from app.serve import DEFAULTS


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
