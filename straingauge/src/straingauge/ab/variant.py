"""A variant to compare: a commit, a command or a URL, and how it is started."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from straingauge.ab.database import own_database, vacuum
from straingauge.ab.slot_plan import Name
from straingauge.ab.worktree import (
    checked_out,
    commit_of,
    copy_ignored,
    ignored_files,
    python_of,
)
from straingauge.errors import StraingaugeError, TargetError, UsageError
from straingauge.http.address import require_no_account
from straingauge.http.settings import HttpSettings
from straingauge.target import ServiceStack
from straingauge.target.config import StackConfig
from straingauge.target.service_locator import refused

Kind = Literal["revision", "command", "url"]

WORK_TREE: Final = "."
_TAIL_LINES: Final = 20
_NAMED: Final = 5  # ignored files in one line


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant as the user names it.

    Attributes:
        name: "base" or "head".
        what: A commit, "." for the working tree, a command with {port}, or a URL.
    """

    name: Name
    what: str

    @property
    def kind(self) -> Kind:
        """Kind of `what`."""
        if urlsplit(self.what).scheme in ("http", "https"):
            return "url"
        return "command" if "{port}" in self.what else "revision"


@dataclass(frozen=True, slots=True)
class RunningVariant:
    """A variant whose service responds.

    Attributes:
        variant: The variant.
        url: Its base URL.
        commit: Id of its commit, if it is one.
        log_path: Log of the service, if it was started here.
        http: Settings of connections to the service.
    """

    variant: Variant
    url: str
    commit: str | None = None
    log_path: Path | None = None
    http: HttpSettings = field(default_factory=HttpSettings)

    def require_alive(self) -> None:
        """Raise TargetError with the end of the log if the service does not respond."""
        if (refusal := refused(self.url, self.http)) is None:
            return
        tail = ""
        if self.log_path is not None and self.log_path.exists():
            lines = self.log_path.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
            tail = "".join(f"\n    {line}" for line in lines)
        raise TargetError(
            f"{self.variant.name} ({self.variant.what}) died during the trial: {refusal}{tail}",
            hint="put the same load on it alone: straingauge run",
        )


@contextmanager
def running_variant(
    variant: Variant,
    config_path: Path | None,
    *,
    env: Mapping[str, str],
    copied: Sequence[Path] = (),
    ready: str,
    say: Callable[[str], None],
    http: HttpSettings | None = None,
) -> Iterator[RunningVariant]:
    """Start a variant's service with its database, and stop both at the end.

    Args:
        variant: The variant.
        config_path: The straingauge.toml in the working tree that describes it, if any.
        env: Environment variables of all its commands.
        copied: Files of the working tree to copy to a commit's.
        ready: For a command without straingauge.toml: path that answers 200 once it is ready.
        say: Called with a line at each step.
        http: Settings of connections to a URL.

    Raises:
        UsageError: The commit is unknown, or there is nothing to start.
        TargetError: It does not build or start; the message names the variant and the reason.
    """

    def tell(line: str) -> None:
        say(f"{variant.name}: {line}")

    with ExitStack() as stack:
        if variant.kind == "url":
            if refusal := refused(variant.what, http):
                raise TargetError(
                    f"{variant.name}: nothing responds at {variant.what} ({refusal})",
                    hint=refusal.advice or "start it, or give a commit or a command to start",
                )
            yield RunningVariant(variant, variant.what.rstrip("/"), http=http or HttpSettings())
            return
        commit = None
        try:
            if variant.kind == "command":
                config = _from_command(variant, config_path, ready)
            else:
                config, commit = _from_revision(variant, config_path, copied, stack, tell)
            temporary = config.postgres.env if config.postgres else {}
            config = replace(config, port=0, env={**temporary, **config.env, **env})
            database = stack.enter_context(own_database(variant.name)) if config.postgres else None
            stand = stack.enter_context(ServiceStack(config, database_url=database, say=tell))
            if config.postgres and stand.database_url:
                vacuum(stand.database_url)
        except TargetError as error:
            raise TargetError(f"{variant.name} ({variant.what}): {error}", error.hint) from error
        except StraingaugeError as error:
            raise UsageError(f"{variant.name} ({variant.what}): {error}", error.hint) from error
        yield RunningVariant(variant, stand.url, commit, stand.log_path)


def _from_command(variant: Variant, config_path: Path | None, ready: str) -> StackConfig:
    """Configuration of a command: that of straingauge.toml with this command, or a minimal one."""
    command = _words(variant)
    if config_path is not None:
        return replace(StackConfig.from_file(config_path), command=command)
    return StackConfig(
        folder=Path.cwd(),
        app="",
        python=Path(sys.executable),
        workers=1,
        port=0,
        profile=False,
        env={},
        postgres=None,
        prepare=(),
        command=command,
        ready=ready,
        ready_within_s=60,
        stop_within_s=10,
    )


def _words(variant: Variant) -> tuple[str, ...]:
    """Split a command as a shell does; raises UsageError for a quote that does not end."""
    try:
        return tuple(shlex.split(variant.what))
    except ValueError as error:
        raise UsageError(
            f"{variant.name} ({variant.what}): {error}", hint="close the quotation, or escape it"
        ) from error


def require_known(variant: Variant, config_path: Path | None) -> None:
    """Raise UsageError for a URL with a password, and a commit that is unknown or cannot start."""
    if config_path is not None and not config_path.is_file():
        raise UsageError(f"{config_path}: there is no such file", hint="name one with --config")
    if variant.kind == "url":
        require_no_account(variant.what)
    if variant.kind == "command":
        _words(variant)
    if variant.kind != "revision":
        return
    if not variant.what.strip():
        raise UsageError(
            f"{variant.name}: no build is named", hint="name a commit, a command or a URL"
        )
    if config_path is None:
        raise UsageError(
            f"{variant.name} ({variant.what}): there is no straingauge.toml to start it",
            hint="name one with --config, or give a command (with {port} in it) or a URL",
        )
    if variant.what != WORK_TREE:
        try:
            commit_of(variant.what, config_path)
        except UsageError as error:
            raise UsageError(f"{variant.name} ({variant.what}): {error}", error.hint) from error


def _from_revision(
    variant: Variant,
    config_path: Path | None,
    copied: Sequence[Path],
    stack: ExitStack,
    tell: Callable[[str], None],
) -> tuple[StackConfig, str | None]:
    """Configuration of a commit, with a Python that has its dependencies."""
    require_known(variant, config_path)
    assert config_path is not None
    if variant.what == WORK_TREE:
        config = StackConfig.from_file(config_path)
        return _in_folder(config, str(config.python)), None
    tell("checking out")
    tree = stack.enter_context(checked_out(variant.what, config_path))
    copy_ignored(copied, tree)
    missing = [each for each in ignored_files(tree.repository) if not (tree.root / each).exists()]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        tell(
            f"git ignores {', '.join(missing[:_NAMED])}{more}, which this commit lacks: if the"
            f" service needs one, add --copy {missing[0]}"
        )
    config = StackConfig.from_file(tree.config_path)
    python = python_of(tree, StackConfig.from_file(config_path), tell)
    return _in_folder(config, python), tree.commit


def _in_folder(config: StackConfig, python: str) -> StackConfig:
    """Run with this Python; the code of the folder comes before installed packages."""

    def words(command: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.replace("{python}", python) for word in command)

    paths = [str(path) for path in (config.folder / "src", config.folder) if path.is_dir()]
    return replace(
        config,
        command=words(config.command),
        prepare=tuple(replace(step, command=words(step.command)) for step in config.prepare),
        env={"PYTHONPATH": ":".join(paths), **config.env},
    )
