"""The process that listens at a URL."""

import os
import socket
from pathlib import Path

import psutil
import pytest
from straingauge.observe import ServiceProcesses
from straingauge.observe.listener import describe_listener, name_of
from straingauge.observe.process import listening_address
from straingauge.observe.runtime import is_go, language_of, language_of_command, product


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


@pytest.mark.parametrize(
    ("program", "command", "language"),
    [
        ("uvicorn", ["/venv/bin/python3", "/venv/bin/uvicorn", "app:app"], "python"),
        ("main", ["/usr/bin/python3.12", "main.py"], "python"),
        ("node", ["node", "server.js"], "javascript"),
        ("java", ["java", "-jar", "app.jar"], "jvm"),
        ("puma 6.4 (tcp:", ["puma 6.4 (tcp://0.0.0.0:3000)"], "ruby"),
        ("server", ["/srv/server"], None),
        ("server", [], None),
    ],
)
def test_the_language_of_a_process(program: str, command: list[str], language: str | None):
    """A process has the language of its program or interpreter."""
    assert language_of_command(program, command) == language


def test_an_executable_of_go(tmp_path: Path):
    """The linker of Go leaves its note in the first page of an executable."""
    executable = tmp_path / "server"
    executable.write_bytes(b"\x7fELF" + bytes(60) + b"\x04\0\0\0\x10\0\0\0\x01\0\0\0GNU\0id")
    assert not is_go(executable)
    executable.write_bytes(b"\x7fELF" + bytes(60) + b"\x04\0\0\0\x53\0\0\0\x04\0\0\0Go\0\0id")
    assert is_go(executable)
    assert language_of(psutil.Process()) == "python"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Werkzeug/3.0.1 Python/3.12.1", "werkzeug"),
        ("gunicorn", "gunicorn"),
        ("", None),
        (None, None),
    ],
)
def test_the_product_of_a_server(header: str | None, name: str | None):
    """The header `Server` names the product first."""
    assert product(header) == name


def test_the_listening_process_is_described():
    """The process is found by its listening socket; a free port has none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert describe_listener(f"http://127.0.0.1:{port}").endswith(f", pid {os.getpid()})")
    assert describe_listener(f"http://127.0.0.1:{port}") == ""


ANY_IPV4 = "0.0.0.0"  # noqa: S104  compared, not bound to


@pytest.mark.parametrize(
    ("host", "listening", "address"),
    [
        ("127.0.0.1", ["::1", "127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", [ANY_IPV4, "127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["::", ANY_IPV4], ANY_IPV4),
        ("127.0.0.1", ["127.0.0.2", "::"], "::"),
        ("127.0.0.2", ["127.0.0.1", "127.0.0.2"], "127.0.0.2"),
        ("::1", [ANY_IPV4, "::"], "::"),
        ("127.0.0.1", ["::1"], None),
        (ANY_IPV4, ["127.0.0.2", "127.0.0.1"], "127.0.0.1"),
    ],
)
def test_the_listener_under_load_is_known(host: str, listening: list[str], address: str | None):
    """Of several listeners on one port, the one that gets the connections is observed."""
    assert listening_address(host, listening) == address


def test_another_listener_on_the_port_is_not_observed():
    """A process that listens on the same port of another address is not taken for the service."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ServiceProcesses(f"http://127.0.0.1:{port}").root is not None
        assert ServiceProcesses(f"http://127.0.0.2:{port}").root is None
