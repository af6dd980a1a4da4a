# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge ab`: two builds of a service, side by side."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from straingauge.cli.compare import failures, show
from straingauge.cli.group import EXIT_CODES, main, print_error
from straingauge.cli.param_types import Duration, played
from straingauge.cli.run import install_signal_handlers
from straingauge.cli.screen import Screen
from straingauge.errors import Interrupted, InvalidRun, UsageError

if TYPE_CHECKING:
    from straingauge.ab import Trial
    from straingauge.cli.options import RunOptions
    from straingauge.compare import Comparison
    from straingauge.runner.load_runner import LoadOrder

_FILE = click.Path(path_type=Path)


@main.command(epilog=EXIT_CODES, short_help="Compare two builds of a service on this machine.")
@played
@click.option("--base", required=True, metavar="WHAT", help="A commit, a command or an address.")
@click.option(
    "--head", default=".", show_default="the files as they are", metavar="WHAT", help="The same."
)
@click.option(
    "--users",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="So many at once.",
)
@click.option("--budget", type=Duration(), metavar="TIME", help="Of all turns.  [default: 110s]")
@click.option(
    "--turn", "slot_s", type=Duration(), help="Of one side; if not said, so long as it takes."
)
@click.option("--warmup", type=Duration(), default="6s", show_default=True, help="Of both sides.")
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PERCENT",
    help="A change that nobody would mind.  [default: 3]",
)
@click.option(
    "--fail-on",
    "conditions",
    multiple=True,
    metavar="VERDICT[:N%]",
    default=("worse",),
    show_default=True,
    help="Exit with 1 where a figure is so; as in straingauge compare.",
)
@click.option("--timeout", type=Duration(), default="30s", show_default=True, help="Of a request.")
@click.option("--config", type=_FILE, help="Else the straingauge.toml nearest to FILE.")
@click.option("--ready", default="/", show_default=True, help="Path of a bare command that is up.")
@click.option(
    "--env", "settings", multiple=True, metavar="NAME=VALUE", help="For both sides; repeatable."
)
@click.option("--results", type=_FILE, metavar="DIR", help="Else results/ beside FILE.")
@click.option("--name", help="Of the result file; else that of FILE.")
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="HOST", help="As in straingauge run."
)
@click.option("--markdown", is_flag=True, help="Write the table as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Write it as JSON.")
def ab(
    *,
    base: str,
    head: str,
    tags: str | None,
    budget: float | None,
    slot_s: float | None,
    warmup: float,
    margin: float | None,
    conditions: tuple[str, ...],
    config: Path | None,
    ready: str,
    settings: tuple[str, ...],
    markdown: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401  each as click has checked it
) -> None:
    """Compares two builds of a service side by side on this machine, and says which is slower.

    \b
      straingauge ab journeys.py --tags read --base main
      straingauge ab --get /health --base v1.2 --head v1.3
      straingauge ab --get / --base "python old.py {port}" --head "python new.py {port}"
      straingauge ab --get / --base http://localhost:8001 --head http://localhost:8002

    A commit is checked out into a git worktree and started as its straingauge.toml says, with an
    environment of its own only where its dependencies differ. Both services run at once, each with
    its own database, and are asked in turns of a tenth of a second or more, whose order is drawn by
    chance: what the machine does meanwhile happens to both. It ends as soon as something is
    surely worse, or each endpoint's median is known, or its time is up.

    Users are as in straingauge run. One alone shows best what each request takes; more of them wait
    for each other as well. A service's rate limits belong switched off: --env NAME=VALUE.

    Exits with 1 where anything is worse.
    """
    from straingauge.ab import BUDGET_S, MARGIN_PERCENT, Variant
    from straingauge.cli.options import RunOptions, prepare
    from straingauge.compare import FailOn
    from straingauge.result import NotWritten
    from straingauge.target.service_locator import STAND_FILE, find_upwards

    tagged = tuple(tag.strip() for tag in tags.split(",")) if tags else ()
    asked = RunOptions(tags=tagged, **options)
    fail_on = [FailOn.parse(each) for each in conditions]
    prepare(asked)  # so that what makes no sense is said before anything is started
    sides = Variant("base", base), Variant("head", head)
    trial, comparison, path = _tried(
        asked,
        sides,
        config or find_upwards(asked.near, STAND_FILE),
        env=_environment(settings),
        ready=ready,
        budget_s=budget or BUDGET_S,
        warmup_s=warmup,
        slot_s=slot_s,
        margin_percent=margin or MARGIN_PERCENT,
    )
    show(comparison, as_markdown=markdown, as_json=as_json)
    if isinstance(path, NotWritten):
        print_error(path)
    else:
        click.echo(f"result   {path}", err=True)
    if trial.error is not None:
        raise trial.error
    if trial.ended is not None:
        raise Interrupted(f"{trial.ended} after {trial.pairs} pairs of turns")
    if (why := trial.invalid()) is not None:
        raise InvalidRun(f"this comparison proves nothing: {why}")
    if failures(comparison, fail_on):
        sys.exit(1)


def _tried(
    asked: "RunOptions",
    sides: tuple[Any, Any],
    config: Path | None,
    *,
    env: Mapping[str, str],
    ready: str,
    budget_s: float,
    warmup_s: float,
    slot_s: float | None,
    margin_percent: float,
) -> "tuple[Trial, Comparison, Any]":
    """Start both, try them, write the file; gives it or why it could not be written."""
    from straingauge.ab import (
        Affinity,
        VariantWorker,
        comparison_of,
        run_trial,
        running_variant,
        started_on,
        write_document,
    )
    from straingauge.result import NotWritten

    screen = Screen()
    install_signal_handlers()
    started = datetime.now().astimezone()
    cores = Affinity.of_this_machine()
    try:
        with ExitStack() as stack:
            with started_on(cores.services):
                base, head = (
                    stack.enter_context(
                        running_variant(each, config, env=env, ready=ready, say=screen.say)
                    )
                    for each in sides
                )
            with started_on(cores.generator):
                players = {
                    each.side.name: stack.enter_context(
                        VariantWorker(each.side.name, each.url, partial(_order, asked))
                    )
                    for each in (base, head)
                }

            def alive() -> None:
                for each in (base, head):
                    each.require_alive()

            screen.say(f"asking both in turns, for {budget_s:.0f} s at most")
            trial = run_trial(
                players,
                budget_s=budget_s,
                warmup_s=warmup_s,
                slot_s=slot_s,
                users=asked.crowd,
                margin_percent=margin_percent,
                alive=alive,
                say=screen.say,
            )
    finally:
        screen.clear()
    comparison = comparison_of(asked.run_name, trial, base, head)
    configuration = {"budget_s": budget_s, "warmup_s": warmup_s, "margin_percent": margin_percent}
    try:
        path = write_document(
            comparison,
            trial,
            started=started,
            configuration={**configuration, **_shown(asked)},
            near=asked.near.parent,
            folder=(asked.results or asked.near.with_name("results")).resolve(),
        )
    except NotWritten as error:
        return trial, comparison, error
    return trial, comparison, path


def _order(asked: "RunOptions") -> "LoadOrder":
    """What a player plays; made in its own process."""
    from straingauge.cli.options import prepare

    return prepare(asked).order


def _environment(settings: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise UsageError(f"--env {each!r}: write it as NAME=VALUE")
        found[name] = value
    return found


def _shown(asked: "RunOptions") -> dict[str, Any]:
    fields = asdict(asked)
    return {
        "file": asked.file.name if asked.file else None,
        "get_paths": fields["gets"],
        **{name: fields[name] for name in ("journeys", "tags", "users")},
        "think_s": fields["think"],
        "timeout_s": fields["timeout"],
    }
