# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge ab`: comparison of two builds of a service."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from straingauge.cli import common_options
from straingauge.cli.compare import failures, show
from straingauge.cli.group import EXIT_CODES, main, print_error
from straingauge.cli.param_types import MAX_USERS, Duration, WholeNumber, journey_options
from straingauge.cli.run import install_signal_handlers
from straingauge.cli.screen import Screen
from straingauge.errors import Interrupted, InvalidRun, UsageError

if TYPE_CHECKING:
    from straingauge.ab import Trial, Variant
    from straingauge.cli.options import RunOptions
    from straingauge.compare import Comparison
    from straingauge.workers.standby import Standby

BUDGET: Final = "110s"
MARGIN_PERCENT: Final = 3


@main.command(epilog=EXIT_CODES, short_help="Compare two builds of a service on this machine.")
@journey_options
@common_options.refuse_schedule
@click.option(
    "--base", required=True, metavar="BUILD", help="Old build: a commit, a command or a URL."
)
@click.option(
    "--head",
    default=".",
    show_default="the working tree",
    metavar="BUILD",
    help="New build: a commit, a command or a URL.",
)
@click.option(
    "--users",
    type=WholeNumber(min=1, max=MAX_USERS),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of concurrent users.",
)
@click.option(
    "--budget",
    type=Duration(),
    default=BUDGET,
    show_default=True,
    help="Maximum time of all slots.",
)
@click.option(
    "--slot",
    "slot_s",
    type=Duration(),
    show_default="measured in the warm-up",
    help="Time of one slot of a build.",
)
@common_options.warmup("6s", "Warm-up of both builds.")
@common_options.margin(MARGIN_PERCENT)
@common_options.fail_on
@click.option(
    "--config",
    type=common_options.PATH,
    show_default="straingauge.toml nearest to FILE",
    help="How to start the builds.",
)
@click.option(
    "--ready",
    default="/",
    show_default=True,
    metavar="PATH",
    help="Path that answers 200 once a service started by a command is ready.",
)
@click.option(
    "--env",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Environment variable of both builds. Repeatable.",
)
@click.option(
    "--copy",
    "copied",
    multiple=True,
    type=common_options.PATH,
    metavar="PATH",
    help="Ignored file of the working tree, such as .env, to copy to commits. Repeatable.",
)
@common_options.results
@common_options.name
@common_options.allow_hosts
@common_options.http
@common_options.markdown
@common_options.as_json
@common_options.quiet
def ab(
    *,
    base: str,
    head: str,
    budget: float,
    slot_s: float | None,
    warmup: float,
    margin: float,
    conditions: tuple[str, ...],
    config: Path | None,
    ready: str,
    settings: tuple[str, ...],
    copied: tuple[Path, ...],
    markdown: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401  each as click has checked it
) -> None:
    """Compare two builds of a service, measured in turn on this machine.

    \b
      straingauge ab journeys.py --tags read --base main
      straingauge ab --get / --base http://localhost:8001 --head "app {port}"

    A commit is checked out into a git worktree and started as its
    straingauge.toml says; it gets its own environment if its dependencies
    differ. Both services run at once, each with its own database, and are
    measured in turn, in short slots in random order, so that whatever else the
    machine does affects both. The comparison ends once an endpoint is worse,
    the median of every endpoint is known, or --budget is used up.

    One user measures the time that requests take; several users also wait for
    each other. Turn off rate limits of the service with --env.
    """
    from straingauge.ab import Variant
    from straingauge.cli.options import RunOptions, load_spec
    from straingauge.compare import FailOn
    from straingauge.report.terminal import labelled
    from straingauge.result.format import WriteError
    from straingauge.target.service_locator import CONFIG_FILE, find_upwards
    from straingauge.workers.standby import Standby

    run_options = RunOptions(load_set_by="ab", **options)
    fail_on = [FailOn.parse(each) for each in conditions]
    run_options.require_resources()
    load_spec(run_options)  # checked before anything is started
    variants = Variant("base", base), Variant("head", head)
    config_path = config or find_upwards(run_options.test_file, CONFIG_FILE)
    if not ready.startswith("/"):
        raise UsageError(f'--ready {ready!r}: a path begins with "/"', hint="--ready /health")
    _check_budget(budget, slot_s)
    _check_builds(variants, config_path, run_options, copied)
    with Standby() as standby:
        trial, comparison, path = _run(
            run_options,
            variants,
            config_path,
            Screen(quiet=quiet),
            standby,
            env=_environment(settings),
            copied=copied,
            ready=ready,
            budget_s=budget,
            warmup_s=warmup,
            slot_s=slot_s,
            margin_percent=margin,
        )
        standby.discard()
    show(comparison, as_markdown=markdown, as_json=as_json)
    if isinstance(path, WriteError):
        print_error(path)
    else:
        click.echo(labelled("result", path), err=True)
    if trial.error is not None:
        raise trial.error
    if trial.ended is not None:
        raise Interrupted(f"{trial.ended} after {trial.pairs} pairs of slots")
    if (why := trial.invalid()) is not None:
        raise InvalidRun(f"the comparison is invalid: {why}")
    if failures(comparison, fail_on):
        sys.exit(1)


def _check_budget(budget_s: float, slot_s: float | None) -> None:
    """Raise UsageError if one slot of each build does not fit into the budget."""
    if slot_s is not None and 2 * slot_s > budget_s:
        raise UsageError(
            f"--slot {slot_s:g}s: two slots, one of each build, take longer than --budget"
            f" {budget_s:g}s",
            hint="shorten --slot or raise --budget",
        )


def _check_builds(
    variants: "Sequence[Variant]",
    config_path: Path | None,
    run_options: "RunOptions",
    copied: tuple[Path, ...],
) -> None:
    """Check both builds before anything is started; raises UsageError or TargetError."""
    from straingauge.ab import require_known
    from straingauge.http.address import resolve

    http = run_options.http_settings
    for each in variants:
        require_known(each, config_path)
        if each.kind == "url":
            resolve(each.what, run_options.allow_hosts, http)
    if copied and all(each.kind != "revision" for each in variants):
        raise UsageError("--copy copies files to a commit, and neither build is a commit")


def _run(
    run_options: "RunOptions",
    variants: tuple[Any, Any],
    config: Path | None,
    screen: Screen,
    standby: "Standby",
    *,
    env: Mapping[str, str],
    copied: tuple[Path, ...],
    ready: str,
    budget_s: float,
    warmup_s: float,
    slot_s: float | None,
    margin_percent: float,
) -> "tuple[Trial, Comparison, Any]":
    """Start both builds, measure them, write the file; the last value is its path or the error."""
    from straingauge.ab import (
        Affinity,
        Trial,
        UnfinishedTrial,
        VariantWorker,
        comparison_of,
        run_trial,
        running_variant,
        started_on,
        write_document,
    )
    from straingauge.cli.options import load_spec
    from straingauge.result.format import WriteError

    install_signal_handlers()
    started = datetime.now().astimezone()
    configuration = {
        "budget_s": budget_s,
        "warmup_s": warmup_s,
        "margin_percent": margin_percent,
        **_configuration(run_options),
    }
    cores = Affinity.of_this_machine()
    http = load_spec(run_options).http
    try:
        with ExitStack() as stack:
            with started_on(cores.services):
                base, head = (
                    stack.enter_context(
                        running_variant(
                            each,
                            config,
                            env=env,
                            copied=copied,
                            ready=ready,
                            say=screen.say,
                            http=http,
                        )
                    )
                    for each in variants
                )
            with started_on(cores.generator):
                workers = {
                    each.variant.name: stack.enter_context(
                        VariantWorker(each.variant.name, each.url, partial(load_spec, run_options))
                    )
                    for each in (base, head)
                }

            def check_alive() -> None:
                for each in (base, head):
                    each.require_alive()

            unfinished = UnfinishedTrial(
                run_options.run_name,
                base,
                head,
                started=started,
                configuration=configuration,
                near=run_options.test_file.parent,
                folder=run_options.results_dir,
                budget_s=budget_s,
                margin_percent=margin_percent,
                trial=Trial(),
            )
            screen.say(f"measuring both in turn, for up to {budget_s:.0f} s")
            trial = run_trial(
                workers,
                budget_s=budget_s,
                warmup_s=warmup_s,
                slot_s=slot_s,
                users=run_options.user_count,
                margin_percent=margin_percent,
                check_alive=check_alive,
                say=screen.say,
                on_part=lambda so_far: standby.watch(
                    unfinished.at_part(so_far, time.monotonic_ns())
                ),
            )
    finally:
        screen.clear()
    comparison = comparison_of(run_options.run_name, trial, base, head)
    try:
        path = write_document(
            comparison,
            trial,
            started=started,
            configuration=configuration,
            near=run_options.test_file.parent,
            folder=run_options.results_dir,
        )
    except WriteError as error:
        return trial, comparison, error
    return trial, comparison, path


def _environment(settings: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise UsageError(f"--env {each!r}: write it as NAME=VALUE")
        found[name] = value
    return found


def _configuration(run_options: "RunOptions") -> dict[str, Any]:
    fields = asdict(run_options)
    return {
        "file": run_options.file.name if run_options.file else None,
        "get_paths": fields["gets"],
        **{name: fields[name] for name in ("journeys", "tags", "users")},
        "think_s": fields["think"],
        "timeout_s": run_options.timeout_s,
    }
