# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge run`: one load from the command line."""

import signal
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main, print_error
from straingauge.cli.param_types import (
    MAX_USERS,
    Duration,
    FiniteFloat,
    StageText,
    Warmup,
    WholeNumber,
    journey_options,
)
from straingauge.cli.screen import Screen, standard_output
from straingauge.errors import Interrupted

if TYPE_CHECKING:
    from straingauge.cli.options import RunOptions
    from straingauge.runner import Outcome
    from straingauge.verdict import Thresholds


@main.command(epilog=EXIT_CODES, short_help="Put one load on a service.")
@journey_options
@common_options.host
@click.option(
    "--users",
    type=WholeNumber(min=1, max=MAX_USERS),
    metavar="N",
    show_default="10",
    help="Number of concurrent users.",
)
@click.option(
    "--rate",
    type=FiniteFloat(min=0, min_open=True),
    metavar="R",
    help="Arrival rate: journeys started per second.",
)
@click.option("--poisson", is_flag=True, help="Random arrivals (Poisson process) at that rate.")
@click.option(
    "--stage",
    "stages",
    type=StageText(),
    multiple=True,
    metavar="TIME:TARGET",
    help="Linear change to a number of users (30s:100) or arrivals (30s:100/s). Repeatable.",
)
@click.option(
    "--duration", type=Duration(), show_default="10s", help="Duration of the load, without stages."
)
@click.option(
    "--warmup",
    type=Warmup(),
    metavar="TIME|detect",
    help="Warm-up that is not measured, or `detect` to find its end in the results.",
)
@click.option(
    "--connections",
    type=click.Choice(["per-user", "per-journey", "shared"]),
    default="per-user",
    show_default=True,
    help="How connections are kept: by user, for one journey, or in a pool for all.",
)
@click.option(
    "--max-connections",
    type=WholeNumber(min=1),
    metavar="N",
    show_default="one for each user",
    help="Size of the shared pool, over all processes.",
)
@common_options.processes
@common_options.database_url
@common_options.restore_database
@common_options.plans
@common_options.memory_probe
@common_options.traceparent
@common_options.explain
@click.option(
    "--otlp-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Receive spans of the service here during the load (OTLP over HTTP; 4318 is usual).",
)
@common_options.server_pid
@common_options.profile
@common_options.thresholds
@common_options.abort_dead
@common_options.live
@common_options.export
@common_options.control
@common_options.results
@common_options.name
@common_options.allow_hosts
@common_options.http
@common_options.as_json
@common_options.quiet
def run(
    *,
    host: str | None,
    processes: int,
    restore_database: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401  each as click has checked it
) -> NoReturn:
    """Put one load on a service, judge it, and write one result file.

    \b
      straingauge run --get /health --host http://localhost:8000
      straingauge run journeys.py --users 50 --think 1-3 --duration 5m
      straingauge run journeys.py --journey read=9 --journey write --warmup 10s
      straingauge run journeys.py --tags read --rate 500 --processes 4
      straingauge run journeys.py --stage 30s:100/s --stage 2m:100/s --stage 30s:0/s
      straingauge run scenarios.toml

    FILE contains journeys: generator functions of a user (see
    `pydoc straingauge.cli.journey_file`). Its `mix` is run if it has one, otherwise
    the `@tagged` journeys, otherwise all of them. `account(index)`, `log_in`
    `verify` and `tear_down` are optional. A list `scenarios`, or a FILE in TOML
    with [[scenario]] tables, runs several at once (`pydoc
    straingauge.cli.scenario_file`).

    --users is a closed model: each user starts its next journey when one ends.
    --rate is an open model: journeys start on time, whatever the service does,
    each by a free user; --users then limits how many there are.
    --stage changes the load linearly, from 0 to the first target and then from
    target to target, as k6's stages do; 0s:50 jumps to 50.

    Without --host, the service that the nearest straingauge.toml describes is
    used if it runs on port 8000, and started otherwise. Another machine needs
    --allow-host.

    Ctrl-C ends the load; the result file has what was measured until then.
    """
    from straingauge.cli.options import RunOptions

    run_and_exit(
        RunOptions(**options),
        host,
        processes,
        Screen(quiet=quiet),
        restore_database=restore_database,
        as_json=as_json,
    )


def run_and_exit(
    run_options: "RunOptions",
    host: str | None,
    processes: int,
    screen: Screen,
    *,
    restore_database: bool = False,
    as_json: bool,
) -> NoReturn:
    """Run a load, show its verdict, and exit with its code.

    Args:
        run_options: The load.
        host: The service, if it is named.
        processes: Number of processes that the user asks for.
        screen: Where progress is shown.
        restore_database: Begin with the rows that the prepare steps have left.
        as_json: Print the result as JSON.
    """
    from straingauge.cli.options import load_spec
    from straingauge.cli.run_load import run_load
    from straingauge.cli.span_receiver import span_receiver
    from straingauge.exports import ExportStream, exporters_for
    from straingauge.http.address import resolve
    from straingauge.runner.live_page import live_page
    from straingauge.runner.live_run import LiveRun
    from straingauge.target.service_locator import ServiceLocator
    from straingauge.workers.standby import Standby

    run_options.require_resources(processes)
    spec = load_spec(run_options)
    live = LiveRun()
    no_samples = None if run_options.traceparent else "they need the header traceparent"
    exports = ExportStream(exporters_for(run_options.exports, no_samples=no_samples), screen.warn)
    address = ServiceLocator(
        host, screen.say, option="--host", http=lambda: spec.http, restore=restore_database
    )
    if address.named:
        resolve(address.named, spec.allowed_hosts, spec.http)
    install_signal_handlers()
    try:
        with (
            span_receiver(run_options, screen.say) as (worker_options, buffer),
            live_page(live, run_options.live, screen.announce, option="--live"),
            exports,
            Standby() as standby,
        ):
            address.find(spec.test_file)
            outcome, interrupted = run_load(
                spec,
                worker_options,
                address,
                processes,
                screen,
                buffer=buffer,
                live=live,
                exports=exports,
                standby=standby,
            )
            standby.discard()
            live.finish(outcome.result, outcome.path)
            screen.clear()
            _show(outcome, spec.thresholds, as_json=as_json)
    finally:
        screen.clear()
        address.close()
    sys.exit(Interrupted.exit_code if interrupted else outcome.exit_code)


def _show(outcome: "Outcome", thresholds: "Thresholds", *, as_json: bool) -> None:
    from straingauge.report import verdict_table, write_github
    from straingauge.report.terminal import render
    from straingauge.result.format.write import json_text

    if as_json:
        click.echo(json_text(outcome.result), nl=False)
    else:
        click.echo(verdict_table([(outcome.result, outcome.path)], **standard_output()), nl=False)
    for line in write_github([outcome.result]):
        click.echo(line, err=as_json)
    click.echo(
        render(_notes(outcome.result, thresholds), **standard_output()), nl=False, err=as_json
    )
    if outcome.problem is not None:
        print_error(outcome.problem)


def _notes(result: Mapping[str, Any], thresholds: "Thresholds") -> Iterator[str]:
    """Yield what a user should know apart from the verdict."""
    from straingauge.number_text import number
    from straingauge.report.terminal import labelled
    from straingauge.verdict.threshold_notes import absent_parts, uncalled_endpoints

    if (deviation := result["resources"]["generator"].get("log_deviation_ms")) is not None:
        p50, p99, most = deviation["p50"], deviation["p99"], deviation["max"]
        times = f"p50 {number(p50)}, p99 {number(p99)}, max {number(most, 'ms')}"
        text = f"deviation from the log's timing: {times}"
        yield labelled("replay", text)
    notes = (*uncalled_endpoints(thresholds, result), *absent_parts(thresholds, result))
    yield from (labelled("note", each) for each in notes)


def install_signal_handlers() -> None:
    """Handle SIGTERM and a closed terminal like Ctrl-C: with a result file."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` sets it to be ignored
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # else it is under nohup
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
