"""Options that several commands share, with the same wording and defaults."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from straingauge.cli.param_types import Duration, FiniteFloat, OptionalPort, WholeNumber
from straingauge.errors import UsageError
from straingauge.setting_options import SETTING_OPTIONS, given_settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH: Final = click.Path(path_type=Path)

host: Final[Decorator] = click.option(
    "--host",
    metavar="URL",
    show_default="API_BASE_URL, or http://localhost:8000",
    help="Base URL of the service.",
)


def results_in(default: str) -> Decorator:
    """The folder for result files, with its default in words."""
    return click.option(
        "--results",
        type=PATH,
        metavar="DIR",
        show_default=default,
        help="Folder for result files.",
    )


def thresholds_from(default: str) -> Decorator:
    """The threshold file, with its default in words."""
    return click.option(
        "--thresholds", type=PATH, metavar="TOML", show_default=default, help="Threshold file."
    )


results: Final[Decorator] = results_in("results/ next to FILE")
name: Final[Decorator] = click.option(
    "--name", show_default="the name of the file", help="Name of the run and its result file."
)
processes: Final[Decorator] = click.option(
    "--processes",
    type=WholeNumber(min=1),
    default=1,
    show_default="1",
    metavar="N",
    help="Number of processes that share the load; those beyond cores or users are idle.",
)
allow_hosts: Final[Decorator] = click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST",
    help="Host that may be put under load though it is not this machine. Repeatable.",
)
abort_dead: Final[Decorator] = click.option(
    "--abort-dead",
    type=Duration(),
    show_default="never",
    help="End the load after this time without any response, such as 10s.",
)
live: Final[Decorator] = click.option(
    "--live",
    type=OptionalPort(),
    is_flag=False,
    flag_value=0,
    metavar="[PORT]",
    show_default="no page",
    help="Serve a live page of the run on this machine, and its /metrics for Prometheus, at any"
    " free port or at PORT.",
)
control: Final[Decorator] = click.option(
    "--control",
    type=OptionalPort(),
    is_flag=False,
    flag_value=0,
    metavar="[PORT]",
    show_default="no control",
    help="Serve an endpoint on this machine that changes, pauses or stops the load, at any free "
    "port or at PORT.",
)
export: Final[Decorator] = click.option(
    "--export",
    "exports",
    multiple=True,
    metavar="FILE|URL",
    show_default="no export",
    help="Export each second while the load runs: to JSON lines or CSV, by the suffix, such as"
    " seconds.jsonl, by OTLP, such as otlp+http://localhost:4318, by Prometheus remote write"
    " (prometheus+http://...), or to InfluxDB (influx+http://...?db=NAME). Or export some of the"
    " requests: to NAME.samples.jsonl or NAME.samples.csv, or as spans (otlp-spans+http://...)."
    " Repeatable.",
)
thresholds: Final[Decorator] = thresholds_from("thresholds.toml next to FILE, if any")
database_url: Final[Decorator] = click.option(
    "--database-url",
    metavar="URL",
    show_default="that of straingauge.toml, or DATABASE_URL",
    help="PostgreSQL of the service, to observe it.",
)
restore_database: Final[Decorator] = click.option(
    "--restore-database",
    is_flag=True,
    show_default="as [postgres] restore in straingauge.toml",
    help="Begin each load with the rows that the prepare steps have left, in a PostgreSQL that is"
    " started with the service; the service is restarted for it.",
)
traceparent: Final[Decorator] = click.option(
    "--traceparent/--no-traceparent",
    default=True,
    show_default=True,
    help="Send the header traceparent (W3C Trace Context) with each request.",
)
explain: Final[Decorator] = click.option(
    "--explain/--no-explain",
    default=None,
    show_default="after a warning or a critical verdict",
    help="Trace requests to a second instance of a service that was started here.",
)
memory_probe: Final[Decorator] = click.option(
    "--memory-probe/--no-memory-probe",
    default=None,
    show_default="after a run with a likely leak of memory or threads",
    help="Find the lines whose memory or threads grow, in a second instance of a Python service"
    " that was started here.",
)
plans: Final[Decorator] = click.option(
    "--plans/--no-plans",
    default=True,
    help="Read the plans of slow statements after a run that missed its thresholds, and try missing"
    " indexes if the database was started with the service. [default: --plans]",
)
server_pid: Final[Decorator] = click.option(
    "--server-pid",
    type=WholeNumber(min=1),
    metavar="PID",
    help="Parent PID of the service, if it cannot be found by its port.",
)
profile: Final[Decorator] = click.option(
    "--profile/--no-profile",
    default=None,
    show_default="for a service that straingauge started, in loads of 10 s or more",
    help="Profile the Python processes of the service during the load.",
)


def http(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of connections, which replace those of [http] in straingauge.toml.

    The command receives them as `http`, a `HttpSettings`.
    """

    @wraps(command)
    def with_settings(**options: Any) -> Any:  # noqa: ANN401  each as click has checked it
        from straingauge.http.settings import HttpSettings

        given = given_settings(lambda each: options.pop(each.destination))
        return command(http=HttpSettings.of(given, Path(), _option_of), **options)

    for each in reversed(SETTING_OPTIONS):
        with_settings = click.option(
            f"--{each.name}",
            each.destination,
            metavar=each.metavar,
            is_flag=each.metavar is None,
            multiple=each.is_repeatable,
            help=each.help,
        )(with_settings)
    return with_settings


def _option_of(setting: str) -> str:
    return "--" + next(each.name for each in SETTING_OPTIONS if each.setting == setting)


markdown: Final[Decorator] = click.option("--markdown", is_flag=True, help="Print Markdown.")
quiet: Final[Decorator] = click.option(
    "-q", "--quiet", is_flag=True, help="Show no progress on standard error, only warnings."
)
as_json: Final[Decorator] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def warmup(default: str, help_text: str) -> Decorator:
    """The time that is not measured."""
    return click.option(
        "--warmup", type=Duration(), default=default, show_default=True, help=help_text
    )


def margin(default: float) -> Decorator:
    """The margin of a comparison."""
    return click.option(
        "--margin",
        type=FiniteFloat(min=0, min_open=True),
        default=default,
        show_default=True,
        metavar="PERCENT",
        help="Smallest change that counts, in percent.",
    )


baselines: Final[Decorator] = click.option(
    "--baselines",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".straingauge/baselines"),
    show_default=True,
    metavar="DIR",
    help="Folder of all baselines.",
)
fail_on: Final[Decorator] = click.option(
    "--fail-on",
    "conditions",
    multiple=True,
    metavar="VERDICT[:N%]",
    default=("worse",),
    show_default=True,
    help="Exit with 1 on this verdict: worse, worse:5%, inconclusive. Repeatable.",
)


def _require_page(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() != ".html":
        raise click.BadParameter(f"{path}: the name must end in .html")
    return path


page: Final[Decorator] = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PAGE",
    callback=_require_page,
    help="HTML page to write.",
)


def refuse_schedule(command: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse the options of `straingauge run` that set the load, with the command that has them."""

    def refuse(context: click.Context, option: click.Parameter, value: object) -> None:
        if value is not None:
            raise UsageError(
                f"{option.opts[0]}: straingauge {context.info_name} sets the load itself",
                hint=f"leave it out, or send that load with straingauge run ... {option.opts[0]}",
            )

    for name in ("--stage", "--rate", "--duration"):
        option = click.option(name, hidden=True, expose_value=False, callback=refuse)
        command = option(command)
    return command
