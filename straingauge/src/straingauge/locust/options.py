"""straingauge's options of the `locust` command.

--load-results DIR      Folder for result files. [default: results/ next to the locustfile]
--load-thresholds FILE  Threshold file. [default: thresholds.toml next to the locustfile, if any]
--load-abort-dead TIME  End a run after this time without any response. [default: never]
--load-profile          Profile the service's Python processes, whatever that costs.
--load-no-profile       Do not. [default: of a service of `straingauge serve`, in 10 s or more]
--load-no-plans         Do not read the plans of slow statements after a missed threshold.
--load-export NAME      Export each second of a run to a file or URL, as `straingauge run --export`;
                        repeatable.
--load-no-traceparent   Do not send the header traceparent (W3C Trace Context).
--allow-host HOST       Host other than this machine that may be put under load; repeatable.
--database-url URL      PostgreSQL database of the service, to be observed. [default: $DATABASE_URL]
--server-pid PID        Parent PID of the service, if it cannot be found by its port.
--load-resolve ...      Settings of connections, as in `straingauge run` without "load-": see
                        `straingauge.setting_options`.
--cooldown S            Seconds to observe the service after the load. [default: 1]

An option without "load-" that a locustfile adds under the same name is the locustfile's own.

Exit codes, unless a locustfile sets another one than 0 (`environment.process_exit_code`):
    0  thresholds passed, or a warning
    1  critical threshold crossed; also an error of Locust itself, such as a port in use
    2  usage or configuration error: host not allowed, worker with another version of the load test,
       result file not written
    3  target unreachable or log-in failed
    4  invalid run: interrupted, too much of it lost, or a worker's master lost
"""

import math
import os
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

from configargparse import ArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner

from straingauge.engine import require_open_files
from straingauge.http.settings import HttpSettings
from straingauge.locust.inspection import InspectionOptions
from straingauge.locust.threads import run_in_thread
from straingauge.locust.user.selection import get_shape_configuration
from straingauge.observe import COOLDOWN_S, Observer
from straingauge.result.format.write import require_writable
from straingauge.runner import DatabasePlans, FollowUp, ServiceDatabase
from straingauge.setting_options import SETTING_OPTIONS, given_settings
from straingauge.target.service_locator import http_settings_for, metric_names_for
from straingauge.time_text import time_argument
from straingauge.verdict import Thresholds, thresholds_file

_YIELDING: Final[Mapping[str, object]] = {
    "--allow-host": [],
    "--database-url": "",
    "--server-pid": None,
    "--cooldown": COOLDOWN_S,
}
"""Options that a locustfile may have as well, with their defaults."""


def add_options(parser: ArgumentParser) -> None:
    """Add the options to Locust's command line; none of them appears in its web UI.

    An option that a locustfile adds under the name of one of them takes its place: see
    `taken_options`.
    """
    parser.add_argument(
        "--load-results",
        metavar="DIR",
        default="",
        include_in_web_ui=False,
        help="Folder for result files. [default: results/ next to the locustfile]",
    )
    parser.add_argument(
        "--load-thresholds",
        metavar="FILE",
        default="",
        include_in_web_ui=False,
        help="Threshold file. [default: thresholds.toml next to the locustfile, if any]",
    )
    parser.add_argument(
        "--load-abort-dead",
        metavar="TIME",
        type=time_argument,
        default=None,
        include_in_web_ui=False,
        help="End a run after this time without any response, such as 10s. [default: never]",
    )
    for name, help_text in (
        (
            "profile",
            "Profile the service's Python processes. [default: those of a service that straingauge "
            "serve started, in loads of 10 s or more]",
        ),
        ("no-profile", "Do not profile the service's Python processes."),
        (
            "no-plans",
            "Do not read the plans of slow statements after a run that missed its thresholds.",
        ),
    ):
        parser.add_argument(
            f"--load-{name}",
            action="store_true",
            default=False,
            include_in_web_ui=False,
            help=help_text,
        )
    parser.add_argument(
        "--load-export",
        metavar="FILE|URL",
        action="append",
        default=[],
        include_in_web_ui=False,
        help="Export each second of a run while it goes on, such as to seconds.jsonl or "
        "otlp+http://localhost:4318; repeatable. [default: no export]",
    )
    parser.add_argument(
        "--load-no-traceparent",
        action="store_true",
        default=False,
        include_in_web_ui=False,
        help="Do not send the header traceparent (W3C Trace Context), by which the traces of slow "
        "and failed requests are found. [default: it is sent]",
    )
    parser.add_argument(
        "--allow-host",
        dest=_destination("--allow-host"),
        metavar="HOST",
        action="append",
        default=[],
        include_in_web_ui=False,
        help="Host other than this machine that may be put under load; repeatable.",
    )
    parser.add_argument(
        "--database-url",
        dest=_destination("--database-url"),
        metavar="URL",
        default="",
        include_in_web_ui=False,
        help="PostgreSQL database of the service, to be observed with a read-only role. "
        "[default: $DATABASE_URL]",
    )
    parser.add_argument(
        "--server-pid",
        dest=_destination("--server-pid"),
        metavar="PID",
        type=_process_id,
        default=None,
        include_in_web_ui=False,
        help="Parent PID of the service, if it cannot be found by its port (as behind a proxy).",
    )
    parser.add_argument(
        "--cooldown",
        dest=_destination("--cooldown"),
        metavar="S",
        type=_seconds,
        default=COOLDOWN_S,
        include_in_web_ui=False,
        help="Seconds to observe the service after the load; longer finds smaller leaks. "
        "[default: %(default)s]",
    )
    for each in SETTING_OPTIONS:
        parser.add_argument(
            f"--load-{each.name}",
            default=None,
            include_in_web_ui=False,
            help=each.help,
            **(
                {"action": "append" if each.is_repeatable else "store", "metavar": each.metavar}
                if each.metavar
                else {"action": "store_true"}
            ),
        )
    parser.set_defaults(**{_destination(name): value for name, value in _YIELDING.items()})
    # Listeners of a locustfile add theirs after this one, to the parser or to groups of it.
    for each in (parser, *parser._action_groups):  # noqa: SLF001  groups have a copy of the setting
        each.conflict_handler = "resolve"


def taken_options(environment: Environment) -> list[str]:
    """Return the options that a locustfile has under the same names."""
    given = vars(get_options(environment))
    return [name for name in _YIELDING if name.removeprefix("--").replace("-", "_") in given]


def allowed_hosts(environment: Environment) -> tuple[str, ...]:
    """Return the hosts other than this machine that may be put under load."""
    options = environment.parsed_options
    return () if options is None else tuple(getattr(options, _destination("--allow-host")))


def cooldown_s(environment: Environment) -> float:
    """Return the time for which the service is observed after the load."""
    seconds: float = getattr(get_options(environment), _destination("--cooldown"))
    return seconds


def _destination(name: str) -> str:
    """Name of a value that options of other listeners do not have."""
    return f"straingauge_{name.removeprefix('--').replace('-', '_')}"


def _seconds(text: str) -> float:
    """Return a time of 0 s or more, as the type of an option."""
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ArgumentTypeError(f"{text} is not a time in seconds, 0 or more")
    return seconds


def _process_id(text: str) -> int:
    """Return a process id, as the type of an option."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ArgumentTypeError(f"{text} is not a process id")
    return int(text)


def get_options(environment: Environment) -> Namespace:
    """Return the parsed command line."""
    options: Namespace | None = environment.parsed_options
    assert options is not None
    return options


def sends_traceparent(environment: Environment) -> bool:
    """Return True if requests have the header `traceparent`."""
    return not getattr(environment.parsed_options, "load_no_traceparent", False)


def get_locustfile(environment: Environment) -> Path:
    """Return the first locustfile."""
    return Path((environment.parsed_locustfiles or ["locustfile.py"])[0]).resolve()


def get_results_folder(environment: Environment) -> Path:
    """Return the folder for result files."""
    default = get_locustfile(environment).with_name("results")
    return Path(get_options(environment).load_results or default)


def require_resources(environment: Environment) -> None:
    """Check that this machine can send the load and keep its result, before any user starts.

    The limits of workers on other machines are not known here.

    Raises:
        UsageError: Too few files may be open for the users of one process, each of which has a
            connection.
        WriteError: Results cannot be written.
    """
    options = get_options(environment)
    require_writable(get_results_folder(environment))
    processes = options.processes or 1
    if processes < 0:  # one for each core, as Locust counts them, whether it may be used or not
        processes = os.cpu_count() or 1
    if options.processes or not isinstance(environment.runner, MasterRunner):
        require_open_files(math.ceil((options.num_users or 0) / processes))


def read_thresholds(environment: Environment) -> Thresholds:
    """Read the thresholds.

    Raises:
        UsageError: The file cannot be read or is not valid.
    """
    named = get_options(environment).load_thresholds
    file = thresholds_file(Path(named) if named else None, get_locustfile(environment))
    return Thresholds.read(file)


def http_settings(
    environment: Environment, own: Mapping[str, object] | None = None
) -> HttpSettings:
    """Return the settings of connections: options, then a class's own, then straingauge.toml's.

    Raises:
        UsageError: One of them is invalid.
    """
    options = environment.parsed_options
    names = {each.setting: f"--load-{each.name}" for each in SETTING_OPTIONS}
    given = given_settings(
        lambda each: getattr(options, f"load_{each.name}".replace("-", "_"), None)
    )
    locustfile = get_locustfile(environment)
    configured = HttpSettings.of(own or {}, locustfile.parent).over(_configured(locustfile))
    return HttpSettings.of(given, Path.cwd(), names.__getitem__).over(configured)


_configured = cache(http_settings_for)


def take_database(environment: Environment) -> ServiceDatabase | None:
    """Return the database of the service, once; None if it is not known.

    Its URL is removed from the options, which a master sends to its workers, because it contains a
    password.
    """
    options, name = get_options(environment), _destination("--database-url")
    url = getattr(options, name)
    setattr(options, name, "")
    return ServiceDatabase.given(url)


def follow_ups(
    environment: Environment, database: ServiceDatabase | None, say: Callable[[str], None]
) -> list[FollowUp]:
    """Return the examinations of the service after a run."""
    if get_options(environment).load_no_plans:
        return []
    plans = DatabasePlans(database, say)
    return [lambda result: run_in_thread(partial(plans, result))]


def inspection_options(environment: Environment) -> InspectionOptions:
    """Return how to look inside the service during a run."""
    options, runner = get_options(environment), environment.runner
    shape = get_shape_configuration(environment)
    sends = not isinstance(runner, MasterRunner)
    return InspectionOptions(
        server_pid=getattr(options, _destination("--server-pid")),
        profile=True if options.load_profile else False if options.load_no_profile else None,
        load_s=shape["duration_s"] if shape else options.run_time,
        answered=(lambda: environment.stats.total.num_requests) if sends else None,
    )


def observer_factory(
    environment: Environment, database: ServiceDatabase | None, offload: Callable[..., object]
) -> Callable[[str], Observer]:
    """Return a function that makes the observer of the service at a URL.

    Args:
        environment: Locust's environment.
        database: The database of the service, if it is known.
        offload: Runs a function in a thread.
    """
    return partial(
        Observer,
        names=metric_names_for(get_locustfile(environment)),
        database_url=database.url if database else None,
        server_pid=getattr(get_options(environment), _destination("--server-pid")),
        offload=offload,
        http=http_settings(environment),
    )
