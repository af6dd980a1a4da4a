"""The same option has the same meaning in all commands."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import click
import pytest
from straingauge.cli import main

DIFFERENT = {
    "--config": "serve runs one service; ab starts builds as the file next to the journeys says",
    "--margin": "builds in turns differ less by chance than runs at different times",
    "--max-users": "a search sends a rate with a fixed number; a log has its own, up to a limit",
    "--output": "a folder where a command writes several files, otherwise one file",
    "--rate": "of journeys, or of a log's requests",
    "--results": "a log has no test file beside which to put them",
    "--thresholds": "a log has no test file beside which to find them",
    "--users": "ab measures the time of one user; doctor checks a planned load",
    "--warmup": "only one load can detect the end of its warm-up",
    "--writes": "operations of a document, or lines of a log",
}
"""Options that differ between commands, with the reason."""

Variants = Mapping[tuple[object, ...], list[str]]


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield all commands of a command tree that are not groups."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def options(group: click.Group) -> Iterator[tuple[str, click.Option]]:
    """Yield all options of a command tree, each with its command; hidden ones are refused."""
    for name, command in commands(group):
        listed = (each for each in command.params if isinstance(each, click.Option))
        yield from ((name, each) for each in listed if not each.hidden)


def differing(group: click.Group) -> dict[str, Variants]:
    """Return the options that two commands give another type, default or help."""
    found: dict[str, dict[tuple[object, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for command, option in options(group):
        info = option.to_info_dict()
        declared = [repr(info[key]) for key in ("type", "default", "multiple", "is_flag", "help")]
        spelling = (*option.opts, *option.secondary_opts)
        shown = (option.metavar, option.show_default)
        found[max(option.opts, key=len)][*declared, spelling, shown].append(command)
    return {name: variants for name, variants in found.items() if len(variants) > 1}


def test_an_option_is_the_same_in_all_commands():
    """Type, default and help of an option are the same wherever it occurs, or have a reason."""
    assert sorted(differing(main)) == sorted(DIFFERENT)


@pytest.mark.parametrize(
    "other",
    [
        click.Option(["--size"], type=float, help="Size."),
        click.Option(["--size"], type=int, default=2, help="Size."),
        click.Option(["--size"], type=int, help="Length."),
        click.Option(["--size"], type=int, help="Size.", multiple=True),
        click.Option(["-s", "--size"], type=int, help="Size."),
    ],
)
def test_an_option_with_another_meaning_is_found(other: click.Option):
    """Another type, default, help, repetition or short name is found, in a subgroup as well."""
    first = click.Option(["--size"], type=int, help="Size.")
    inner = click.Group("inner", {"b": click.Command("b", params=[other])})
    assert differing(click.Group("x", {"a": click.Command("a", params=[first]), "inner": inner}))
    inner.commands["b"].params = [first]
    assert not differing(click.Group("x", {"a": click.Command("a", params=[first]), "i": inner}))


NO_JSON = {
    "baseline save": "prints the names of files",
    "comment": "prints the URL of a comment",
    "explain": "plain text is what it is for; report --json has the results",
    "export": "writes a file in another format",
    "init": "writes files for people",
    "mcp": "speaks JSON-RPC",
    "schema": "prints JSON in any case",
    "serve": "prints one line while a service runs",
}
"""Commands without --json, with the reason."""


def test_commands_print_json():
    """Each command that shows results or checks prints them as JSON if asked."""
    with_json = {name for name, option in options(main) if "--json" in option.opts}
    assert {name for name, _ in commands(main)} - with_json == set(NO_JSON)


def test_commands_that_send_load_can_be_quiet():
    """Commands that show progress have -q."""
    quiet = {name for name, option in options(main) if "-q" in option.opts}
    assert quiet == {"ab", "capacity", "replay", "run"}


@pytest.mark.parametrize("name", sorted({*main.commands, *dict(commands(main))}))
def test_help_has_an_example(name: str):
    """The help of each command shows how to call it, and refers to no other help."""
    text = {**main.commands, **dict(commands(main))}[name].help or ""
    assert f"      straingauge {name}" in text or f"\n  straingauge {name}" in text
    assert "the same as" not in text
