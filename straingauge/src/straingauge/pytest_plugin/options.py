"""Options of load tests, which give way to options of the same names of other plugins."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any, Final

import pytest

from straingauge.http.settings import HttpSettings
from straingauge.setting_options import SETTING_OPTIONS, given_settings
from straingauge.time_text import time_argument


def _port(text: str) -> int:
    """Return a port, as the type of an option."""
    if not (text.isascii() and text.isdecimal() and int(text) <= _MAX_PORT):
        raise ArgumentTypeError(f"{text!r} is not a port; 0 takes any free port")
    return int(text)


_MAX_PORT: Final = 65_535
_PREFIX: Final = (
    "straingauge_"  # of their destinations, which other plugins may have chosen as well
)
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "--load-host": {
        "metavar": "URL",
        "help": "base URL of the service (default: API_BASE_URL, then http://localhost:8000, "
        "then the service of the nearest straingauge.toml is started)",
    },
    "--load-allow-host": {
        "metavar": "HOST",
        "action": "append",
        "default": None,
        "help": "host that may be put under load though it is not this machine, such as "
        "api.example; repeatable (default: that of --load-host)",
    },
    "--load-results": {
        "metavar": "DIR",
        "help": "folder for result files (default: results/ next to the test file)",
    },
    "--load-thresholds": {
        "metavar": "FILE",
        "help": "threshold file (default: thresholds.toml next to the test file, if any)",
    },
    "--load-abort-dead": {
        "metavar": "TIME",
        "type": time_argument,
        "help": "end a load after this time without any response, such as 10s (default: never)",
    },
    "--load-control": {
        "metavar": "PORT",
        "type": _port,
        "help": "serve an endpoint at this port of this machine that changes, pauses or stops the "
        "running load; 0: any free port (default: no control)",
    },
    "--load-live": {
        "metavar": "PORT",
        "type": _port,
        "help": "serve a live page of the loads, and their /metrics for Prometheus, at this port "
        "of this machine; 0: any free port (default: no page)",
    },
    "--load-export": {
        "metavar": "FILE|URL",
        "action": "append",
        "default": None,
        "help": "export each second of the loads while they run, as straingauge run --export, "
        "such as seconds.jsonl or otlp+http://localhost:4318; repeatable (default: no export)",
    },
    "--load-database-url": {
        "metavar": "URL",
        "help": "PostgreSQL of the service, to observe it with a read-only role (default: the "
        "database of the service that was started, then DATABASE_URL)",
    },
    "--load-restore-database": {
        "action": "store_true",
        "default": None,
        "help": "begin each load test with the rows that the prepare steps have left, in a "
        "PostgreSQL that is started with the service; the service is restarted for it (default: as "
        "[postgres] restore in straingauge.toml)",
    },
    "--load-no-traceparent": {
        "action": "store_true",
        "default": None,
        "help": "do not send the header traceparent (W3C Trace Context)",
    },
    "--load-explain": {
        "action": "store_true",
        "default": None,
        "help": "trace requests to a second instance of a service that was started here (default: "
        "after a warning or a critical verdict)",
    },
    "--load-no-explain": {
        "action": "store_true",
        "default": None,
        "help": "never trace requests to a second instance",
    },
    "--load-otlp-port": {
        "metavar": "PORT",
        "help": "receive spans of the service here during each load (OTLP over HTTP, for example "
        "4318)",
    },
    "--load-memory-probe": {
        "action": "store_true",
        "default": None,
        "help": "find the lines whose memory or threads grow, in a second instance of a Python "
        "service that was started here (default: after a load with a likely leak of either)",
    },
    "--load-no-memory-probe": {
        "action": "store_true",
        "default": None,
        "help": "never look for the lines whose memory or threads grow",
    },
    "--load-no-plans": {
        "action": "store_true",
        "default": None,
        "help": "do not read the plans of slow statements after a load that missed its thresholds, "
        "nor try missing indexes in a database that was started with the service",
    },
    "--load-server-pid": {
        "metavar": "PID",
        "help": "parent PID of the service, if it cannot be found by its port",
    },
    "--load-profile": {
        "action": "store_true",
        "default": None,
        "help": "profile the Python processes of the service during each load (default: those of a "
        "service that straingauge started, in loads of 10 s or more)",
    },
    "--load-no-profile": {
        "action": "store_true",
        "default": None,
        "help": "never profile the service",
    },
    **{
        f"--load-{each.name}": {
            "action": "append" if each.is_repeatable else "store" if each.metavar else "store_true",
            "default": None,
            **({"metavar": each.metavar} if each.metavar else {}),
            "help": each.help,
        }
        for each in SETTING_OPTIONS
    },
}


def add_options(parser: pytest.Parser) -> None:
    """Add the options, except those whose names another plugin or conftest.py has taken."""
    groups = (parser._anonymous, *parser._groups)  # noqa: SLF001  pytest has no public list of options
    taken = {name for group in groups for option in group.options for name in option.names()}
    for name, attributes in _OPTIONS.items():
        if name not in taken:
            # The type is applied by `option`: a conftest.py may have an option of this name with
            # other values.
            kept = {key: value for key, value in attributes.items() if key != "type"}
            _group(parser).addoption(name, dest=_destination(name), **kept)


def remove_options(parser: pytest.Parser) -> None:
    """Remove the options, so that a conftest.py may add options of the same names."""
    group = _group(parser)
    group.options.clear()
    argparser = getattr(parser, "optparser", None)
    if argparser is None:  # pytest 8 makes it from the groups, when it parses
        return
    for name in _OPTIONS:
        action = argparser._option_string_actions.get(name)  # noqa: SLF001  argparse removes so, too
        if action is not None and action.dest == _destination(name):
            argparser._handle_conflict_resolve(None, [(name, action)])  # noqa: SLF001


def option(config: pytest.Config, name: str) -> Any:  # noqa: ANN401  as the option's type
    """Return the value of an option; None if it was not given, or is another plugin's.

    Raises:
        pytest.UsageError: It is not of the option's type.
    """
    value = getattr(config.option, _destination(name), None)
    convert = _OPTIONS[name].get("type")
    if convert is None or not isinstance(value, str):
        return value
    try:
        return convert(value)
    except (ArgumentTypeError, ValueError) as error:
        raise pytest.UsageError(f"argument {name}: {error}") from None


def check_options(config: pytest.Config) -> None:
    """Check the options that have a type.

    Raises:
        pytest.UsageError: One of them is not of its type.
    """
    for name in _OPTIONS:
        option(config, name)


def http_settings_of(config: pytest.Config) -> HttpSettings:
    """Return the settings of connections that options name, with files relative to this folder.

    Raises:
        UsageError: One of them is invalid.
    """
    names = {each.setting: f"--load-{each.name}" for each in SETTING_OPTIONS}
    given = given_settings(lambda each: option(config, f"--load-{each.name}"))
    return HttpSettings.of(given, config.invocation_params.dir, names.__getitem__)


def taken_options(config: pytest.Config) -> list[str]:
    """Return the names of options that are another plugin's in this session."""
    return [name for name in _OPTIONS if not hasattr(config.option, _destination(name))]


def _group(parser: pytest.Parser) -> pytest.OptionGroup:
    return parser.getgroup("straingauge", "load tests (straingauge)")


def _destination(name: str) -> str:
    return _PREFIX + name.removeprefix("--load-").replace("-", "_")


def wanted(config: pytest.Config, name: str) -> bool | None:
    """Return whether to do what ``--load-NAME`` and ``--load-no-NAME`` say; None without either."""
    if option(config, f"--load-no-{name}"):
        return False
    return option(config, f"--load-{name}") or None
