"""The process that listens at a URL."""

import os
import socket

import pytest
from straingauge.observe.listener import describe_listener, name_of


@pytest.mark.parametrize(
    ("program", "command", "name"),
    [
        ("uvicorn", ["/usr/bin/python3", "/venv/bin/uvicorn", "app:app"], "uvicorn"),
        ("python3.12", ["python", "-u", "/srv/app/main.py", "8000"], "main.py"),
        ("python3", ["python3", "-m", "http.server", "8000"], "http.server"),
        ("python3", ["python3", "-c", "import app"], "python3"),
        ("node", ["node", "--inspect", "/srv/dist/server.js"], "server.js"),
        ("python3", [], "python3"),
    ],
)
def test_an_interpreter_is_named_by_what_it_runs(program: str, command: list[str], name: str):
    """A program has its own name; an interpreter that of its module or script."""
    assert name_of(program, command) == name


def test_the_listening_process_is_described():
    """The process is found by its listening socket; a free port has none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert describe_listener(f"http://127.0.0.1:{port}").endswith(f", pid {os.getpid()})")
    assert describe_listener(f"http://127.0.0.1:{port}") == ""
