"""One of the two that are compared: a commit, a command or an address, and how it is started."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from straingauge.ab.database import own_database, vacuum
from straingauge.ab.slot_plan import Name
from straingauge.ab.worktree import checked_out, python_of
from straingauge.errors import StraingaugeError, TargetError, UsageError
from straingauge.target import ServiceStack
from straingauge.target.config import StackConfig
from straingauge.target.service_locator import refused

Kind = Literal["revision", "command", "url"]

WORK_TREE: Final = "."
_TAIL_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Variant:
    """What the user asked to be compared.

    Attributes:
        name: Which of the two.
        what: A commit, "." for the files as they are, a command with {port}, or an address.
    """

    name: Name
    what: str

    @property
    def kind(self) -> Kind:
        """What `what` is."""
        if urlsplit(self.what).scheme in ("http", "https"):
            return "url"
        return "command" if "{port}" in self.what else "revision"


@dataclass(frozen=True, slots=True)
class RunningVariant:
    """A side whose service answers.

    Attributes:
        side: Which.
        url: Where.
        commit: Its id, where it is one.
        log_path: What the service writes, where we started it.
    """

    side: Variant
    url: str
    commit: str | None = None
    log_path: Path | None = None

    def require_alive(self) -> None:
        """Raise TargetError with the end of its log where nothing answers any more."""
        if (refusal := refused(self.url)) is None:
            return
        tail = ""
        if self.log_path is not None and self.log_path.exists():
            lines = self.log_path.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
            tail = "".join(f"\n    {line}" for line in lines)
        raise TargetError(
            f"{self.side.name} ({self.side.what}) died in the middle: {refusal}{tail}",
            hint="start it alone under the same load: straingauge run",
        )


@contextmanager
def running_variant(
    side: Variant,
    config_path: Path | None,
    *,
    env: Mapping[str, str],
    ready: str,
    say: Callable[[str], None],
) -> Iterator[RunningVariant]:
    """The side's service, on a database of its own, for as long as the block lasts.

    Args:
        side: Which.
        config_path: The straingauge.toml that describes it, in the work tree; if any.
        env: Added to the environment of all its commands.
        ready: Of a command without a description: the path that answers 200 once it can work.
        say: Is told each step that begins.

    Raises:
        UsageError: There is no such commit, or nothing says what to start.
        TargetError: It does not build, or does not start; the message says which side and why.
    """

    def tell(line: str) -> None:
        say(f"{side.name}: {line}")

    with ExitStack() as stack:
        if side.kind == "url":
            if refusal := refused(side.what):
                raise TargetError(
                    f"{side.name}: nothing answers at {side.what} ({refusal})",
                    hint="start it there, or give a commit or a command, which is started here",
                )
            yield RunningVariant(side, side.what.rstrip("/"))
            return
        commit = None
        try:
            if side.kind == "command":
                config = _commanded(side, config_path, ready)
            else:
                config, commit = _revised(side, config_path, stack, tell)
            config = replace(config, port=0, env={**config.env, **env})
            database = stack.enter_context(own_database(side.name)) if config.postgres else None
            stand = stack.enter_context(ServiceStack(config, database_url=database, say=tell))
            if config.postgres and stand.database_url:
                vacuum(stand.database_url)
        except TargetError as error:
            raise TargetError(f"{side.name} ({side.what}): {error}", error.hint) from error
        except StraingaugeError as error:
            raise UsageError(f"{side.name} ({side.what}): {error}", error.hint) from error
        yield RunningVariant(side, stand.url, commit, stand.log_path)


def _commanded(side: Variant, config_path: Path | None, ready: str) -> StackConfig:
    """What a command starts: the described service with that command, or the command alone."""
    command = tuple(shlex.split(side.what))
    if config_path is not None:
        return replace(StackConfig.from_file(config_path), command=command)
    return StackConfig(
        folder=Path.cwd(),
        app="",
        workers=1,
        port=0,
        env={},
        postgres=None,
        prepare=(),
        command=command,
        ready=ready,
        ready_within_s=60,
        stop_within_s=10,
    )


def _revised(
    side: Variant, config_path: Path | None, stack: ExitStack, tell: Callable[[str], None]
) -> tuple[StackConfig, str | None]:
    """What a commit's own description starts, with the Python that has its dependencies."""
    if config_path is None:
        raise UsageError(
            "no straingauge.toml says how to start it",
            hint="name one by --config, or give commands with {port} or addresses instead",
        )
    if side.what == WORK_TREE:
        return _from_its_folder(StackConfig.from_file(config_path), sys.executable), None
    tell("checking it out")
    tree = stack.enter_context(checked_out(side.what, config_path))
    config = StackConfig.from_file(tree.config_path)
    python = python_of(config.folder, config_path.parent, tree.folder, tell)
    return _from_its_folder(config, python), tree.commit


def _from_its_folder(config: StackConfig, python: str) -> StackConfig:
    """Run by that Python, with the code of the folder before any that is installed."""

    def words(command: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.replace("{python}", python) for word in command)

    paths = [str(path) for path in (config.folder / "src", config.folder) if path.is_dir()]
    return replace(
        config,
        command=words(config.command),
        prepare=tuple(replace(step, command=words(step.command)) for step in config.prepare),
        env={"PYTHONPATH": ":".join(paths), **config.env},
    )
