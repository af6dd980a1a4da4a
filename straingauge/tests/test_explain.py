"""The explain pass: traced requests to a second instance of the service."""

import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from straingauge.http import Request, Response
from straingauge.journey import User, mix
from straingauge.runner import ExplainPass, LoadSpec, explain
from straingauge.schedule import constant_users
from straingauge.target import StackConfig, instrumentation
from straingauge.target.instrumentation import (
    Instrumentation,
    django_settings,
    exporter_env,
    instrument,
    python_of,
)
from straingauge.target.started_service import StartedService

SERVICE = Path(__file__).with_name("exporting_service.py")
CRITICAL: Any = {"verdict": {"grade": "critical"}}
TARGET: Any = {"verdict": {"grade": "target"}}


def read_book(user: User) -> Generator[Request, Response, None]:
    """Send one request."""
    yield user.get("/books/1", name="GET /books/{id}")


def end_service(user: User) -> Generator[Request, Response, None]:
    """Send a request that the service does not survive."""
    yield user.get("/end")


def spec_of(**changes: Any) -> LoadSpec:  # noqa: ANN401  fields of LoadSpec
    """Return the specification of a load."""
    plain: dict[str, Any] = {
        "name": "load",
        "test": "load",
        "test_file": Path(__file__),
        "journeys": mix(read_book),
        "schedule": constant_users(count=1, iterations=1),
        "users": [User(0)],
    }
    return LoadSpec(**{**plain, **changes})


def config_of(folder: Path, command: list[str]) -> StackConfig:
    """Return the configuration of a service with this command."""
    path = folder / "straingauge.toml"
    path.write_text(f"[service]\ncommand = {json.dumps(command)}\nstop_within_s = 1\n")
    return StackConfig.from_file(path)


@pytest.fixture
def started(tmp_path: Path) -> StartedService:
    """The service that exports its spans, as if it had been started here."""
    return StartedService(1, None, config_of(tmp_path, ["{python}", str(SERVICE), "{port}"]))


@pytest.fixture
def _without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service need no instrumentation, and the receiver no protobuf."""
    monkeypatch.setattr(explain, "reads_protobuf", lambda: True)
    monkeypatch.setattr(
        explain, "instrument", lambda _config, endpoint: Instrumentation(exporter_env(endpoint))
    )


@pytest.mark.usefixtures("_without_packages")
def test_requests_to_a_second_instance_are_traced(started: StartedService):
    """A second instance starts, its requests are sampled, and its spans are analyzed."""
    said: list[str] = []
    examine = ExplainPass(spec_of(), started, said.append, duration_s=0.6)
    traces = examine(CRITICAL)["traces"]
    assert traces["source"] == "explain"
    assert (
        traces["traced"] == traces["requests"] == traces["endpoints"]["GET /books/{id}"]["traces"]
    )
    assert traces["requests"] >= 2
    (statement,) = traces["statements"]
    assert (statement["statement"], statement["per_request"]) == ("SELECT ?", 1)
    assert traces["notes"] == []
    assert len(said) == 1


@pytest.mark.usefixtures("_without_packages")
def test_a_service_that_dies_is_a_note(started: StartedService):
    """The end of the second instance is a line, and no error."""
    spec = spec_of(journeys=mix(end_service), timeout_s=1.0)
    traces = ExplainPass(spec, started, duration_s=0.3)(CRITICAL)["traces"]
    assert "the second instance of the service ended during the explain pass" in traces["notes"]


@pytest.mark.usefixtures("_without_packages")
def test_a_service_that_does_not_start_is_a_note(tmp_path: Path):
    """A second instance that ends at once is a line, without its log."""
    config = config_of(tmp_path, ["{python}", "-c", "import sys; sys.exit(3)"])
    traces = ExplainPass(spec_of(), StartedService(1, None, config))(CRITICAL)["traces"]
    assert traces["requests"] == 0
    assert "the explain pass ended early: the service ended with code 3" in traces["notes"][0]
    assert "\n" not in traces["notes"][0]


@pytest.mark.parametrize(
    ("wanted", "result", "is_started", "runs"),
    [
        (None, TARGET, True, False),
        (None, CRITICAL, False, False),
        (False, CRITICAL, True, False),
        (None, CRITICAL, True, True),
        (True, TARGET, True, True),
        (True, TARGET, False, True),
    ],
)
def test_the_pass_follows_a_bad_verdict_or_the_option(
    tmp_path: Path, wanted: object, result: dict[str, Any], is_started: object, runs: object
):
    """By default it follows a warning or worse, of a service that was started here."""
    config = config_of(tmp_path, ["/nothing/here"])
    started = StartedService(1, None, config) if is_started else None
    examine = ExplainPass(spec_of(explain=wanted), started)
    assert bool(examine(result)) == runs


def test_a_python_without_the_packages_is_named(tmp_path: Path):
    """The note names the Python of the service, and what to install in it."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    found = instrument(config_of(tmp_path, [str(python), "serve.py"]), "http://127.0.0.1:1")
    assert found.problem is not None
    assert f"{python} -m pip install 'straingauge[explain]'" in found.problem


def test_the_environment_instruments_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The module that instruments comes first on PYTHONPATH, and only sampled requests count."""
    monkeypatch.setattr(instrumentation, "_probe", lambda _python, _folder: "/auto")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    found = instrument(config_of(tmp_path, [sys.executable, "x.py"]), "http://127.0.0.1:1")
    assert found.problem is None
    assert found.env["PYTHONPATH"] == f"/auto:/mine:{tmp_path}"
    assert "DJANGO_SETTINGS_MODULE" not in found.env
    assert found.env["OTEL_TRACES_SAMPLER"] == "parentbased_always_off"
    assert found.env["OTEL_SERVICE_NAME"] == tmp_path.name


@pytest.mark.parametrize(
    ("file", "line", "command"),
    [
        ("manage.py", 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")',
         ["{python}", "manage.py", "runserver", "{port}"]),
        ("shop/wsgi.py", "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'",
         ["{python}", "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "shop.wsgi:application"]),
    ],
)  # fmt: skip
def test_django_is_instrumented_with_its_settings(
    tmp_path: Path, file: str, line: str, command: list[str]
):
    """Django is instrumented before its entry point runs, which names the settings."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"import os\n\n{line}\n")
    assert django_settings(config_of(tmp_path, command)) == "shop.settings"
    assert django_settings(config_of(tmp_path, ["{python}", "-m", "shop"])) is None


def test_node_services_are_instrumented_by_their_package(tmp_path: Path):
    """A Node.js service needs the package next to it, which the note names."""
    config = config_of(tmp_path, ["node", "server.js"])
    assert "npm install" in (instrument(config, "http://127.0.0.1:1").problem or "")
    (tmp_path / "node_modules" / "@opentelemetry" / "auto-instrumentations-node").mkdir(
        parents=True
    )
    found = instrument(config, "http://127.0.0.1:1")
    assert found.problem is None
    assert found.env["NODE_OPTIONS"].startswith("--require @opentelemetry/")


@pytest.mark.parametrize(
    ("first_line", "python"),
    [
        ("#!/opt/app/bin/python3\n", "/opt/app/bin/python3"),
        ("#!/bin/sh\n", None),
        ("\x7fELF", None),
    ],
)
def test_the_python_of_a_script_is_found(tmp_path: Path, first_line: str, python: str | None):
    """A script such as gunicorn names its Python in its first line."""
    script = tmp_path / "gunicorn"
    script.write_text(first_line)
    found = python_of(config_of(tmp_path, [str(script), "app:app"]))
    assert found == (None if python is None else Path(python))
