# ruff: noqa: INP001 - imported by a script that stands alone
"""The reference of the command line, from the commands themselves."""

import inspect
from collections.abc import Iterator

import click
import straingauge.cli


def commands() -> Iterator[str]:
    """Every command with its help and options."""
    yield "# Commands\n"
    yield "`straingauge COMMAND --help` shows the same in the terminal."
    for name, command in sorted(_commands(straingauge.cli.main)):
        context = click.Context(command, info_name=f"straingauge {name}")
        usage = command.get_usage(context).removeprefix("Usage: ")
        yield f"\n## `{name}`\n\n```\n{' '.join(usage.split())}\n```\n"
        yield "\n".join(_text(command.help or ""))
        options = [each for each in command.params if isinstance(each, click.Option)]
        yield "\n| option | default | description |\n|---|---|---|"
        yield from (_row(each, context) for each in options if not each.hidden)


def _commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """The commands of a group and of the groups in it, by their names."""
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path}{name} ")


def _text(text: str) -> Iterator[str]:
    """Paragraphs; those that click does not wrap are examples."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first == "\b":
            yield f"```\n{inspect.cleandoc(rest)}\n```\n"
        else:
            yield f"{paragraph}\n"


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    names, said = record if record is not None else (", ".join(option.opts), option.help or "")
    default = ""
    if said.endswith("]") and "  [" in said:
        said, _, extra = said.rpartition("  [")
        default = extra.rstrip("]").removeprefix("default: ")
    return f"| `{names}` | {_cell(default)} | {_cell(said)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
