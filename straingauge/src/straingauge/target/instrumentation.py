"""The environment in which a service exports spans, without a change of its code.

A Python service is instrumented as by `opentelemetry-instrument`, which puts a `sitecustomize`
module on PYTHONPATH; this works for any command that starts Python. A Node.js service is so by
`@opentelemetry/auto-instrumentations-node`, if it is installed next to it. Others get the variables
that all SDKs of OpenTelemetry read.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from straingauge.target.config import StackConfig

PROBE_TIMEOUT_S: Final = 30.0
# The module's folder, and an import of the exporter, without which nothing is exported.
_PROBE: Final = (
    "import os, opentelemetry.instrumentation.auto_instrumentation as auto,"
    " opentelemetry.exporter.otlp.proto.http.trace_exporter;"
    "print(os.path.dirname(auto.__file__))"
)
_DJANGO: Final = "DJANGO_SETTINGS_MODULE"
_NAMED_SETTINGS: Final = re.compile(rf"""{_DJANGO}["']\s*[\],]\s*=?\s*["']([\w.]+)["']""")
_NODE_PACKAGE: Final = "@opentelemetry/auto-instrumentations-node"
_NODE_PROGRAMS: Final = frozenset({"node", "npm", "npx", "yarn", "pnpm"})


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """Settings by which an instance of a service exports spans.

    Attributes:
        env: Additions to its environment.
        problem: Why it will not export any, and what to do; None if nothing is known to be missing.
    """

    env: Mapping[str, str]
    problem: str | None = None


def exporter_env(endpoint: str) -> dict[str, str]:
    """Return the variables by which a service exports the spans of sampled requests.

    Args:
        endpoint: Base URL of the receiver.
    """
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_PROPAGATORS": "tracecontext",
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


def instrument(config: StackConfig, endpoint: str) -> Instrumentation:
    """Return what makes another instance of a service export its spans.

    Args:
        config: Its configuration; see `StartedService`.
        endpoint: Base URL of the receiver.
    """
    quiet = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    env = exporter_env(endpoint) | quiet | {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
    env |= {name: _without_proxy(name) for name in ("no_proxy", "NO_PROXY")}
    env["OTEL_SERVICE_NAME"] = _value(config, "OTEL_SERVICE_NAME") or config.folder.name
    program = Path(config.command[0]).name
    if program in _NODE_PROGRAMS:
        return _node(config, env)
    python = python_of(config)
    if python is None:
        return Instrumentation(env)
    found = _probe(python, config.folder)
    if found is None:
        return Instrumentation(
            env,
            f"{python} has no packages that trace a service: {python} -m pip install"
            " 'straingauge[explain]'",
        )
    # As opentelemetry-instrument does: Django's settings are imported before Python has added the
    # folder of the script.
    path = _joined(found, _value(config, "PYTHONPATH"), str(config.folder))
    settings = _value(config, _DJANGO) or django_settings(config)
    return Instrumentation(
        env | {"PYTHONPATH": path} | ({_DJANGO: settings} if settings else {}),
    )


def python_of(config: StackConfig) -> Path | None:
    """Return the Python that runs a service: its program, or that of its script; None if none."""
    named = config.command[0]
    program = Path(named) if os.path.sep in named else Path(shutil.which(named) or named)
    program = config.folder / program
    if program.name.startswith("python") or program == config.python:
        return program
    try:
        with program.open("rb") as file:
            line = file.readline(1_000)
    except OSError:
        return None
    interpreter = line.removeprefix(b"#!").decode(errors="replace").split()
    if not line.startswith(b"#!") or not interpreter:
        return None
    # The second word is the program where the first one is env.
    found = Path(interpreter[-1] if interpreter[0].endswith("/env") else interpreter[0])
    if not found.name.startswith("python"):
        return None
    return found if found.is_absolute() else Path(shutil.which(str(found)) or found)


def django_settings(config: StackConfig) -> str | None:
    """Return the module with Django's settings that a service's own entry point names.

    Django is instrumented before that runs, and would otherwise be given no settings at all. The
    entry point is a script such as manage.py, or a module such as the one in ``gunicorn
    shop.wsgi``.
    """
    for word in config.command:
        name = word.partition(":")[0]
        path = name if name.endswith(".py") else f"{name.replace('.', '/')}.py"
        try:
            text = (config.folder / path).read_text("utf-8")
        except (OSError, ValueError):
            continue
        if found := _NAMED_SETTINGS.search(text):
            return found[1]
    return None


def _probe(python: Path, folder: Path) -> str | None:
    """Return the folder of the module that instruments; None if it is not installed."""
    try:
        done = subprocess.run(
            [python, "-c", _PROBE],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else None


def _node(config: StackConfig, env: Mapping[str, str]) -> Instrumentation:
    folders = (config.folder, *config.folder.parents)
    if not any((folder / "node_modules" / _NODE_PACKAGE).is_dir() for folder in folders):
        return Instrumentation(
            env,
            f"{config.folder} has no package that traces a service: npm install {_NODE_PACKAGE}",
        )
    options = _value(config, "NODE_OPTIONS")
    register = f"--require {_NODE_PACKAGE}/register"
    return Instrumentation({**env, "NODE_OPTIONS": f"{register} {options}".strip()})


def _value(config: StackConfig, name: str) -> str:
    return config.env.get(name) or os.environ.get(name, "")


def _joined(*paths: str) -> str:
    return os.pathsep.join(filter(None, paths))


def _without_proxy(name: str) -> str:
    """Return a list of hosts without a proxy that has this machine."""
    return ",".join(filter(None, (os.environ.get(name, ""), "127.0.0.1")))
