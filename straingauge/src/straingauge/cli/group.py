# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""The `straingauge` command group: its help, its errors and exit codes."""

import errno
import io
import os
import select
import sys
from pathlib import Path
from typing import Any, Final

import click

from straingauge.cli.help_sections import SectionedCommand
from straingauge.cli.screen import fitting
from straingauge.cli.standard_streams import keep_running
from straingauge.errors import Interrupted, OutputClosed, StraingaugeError, UsageError
from straingauge.line_wrap import LOOKALIKE

EXIT_CODES = """\b
Exit codes:
  0    at most a warning; or a report was shown
  1    a critical threshold was crossed; compare, ab: worse than allowed
  2    wrong usage or configuration
  3    the target is unreachable, or its setup failed
  4    the run is invalid: no conclusion can be drawn
  130  interrupted by Ctrl-C
  141  the reader of standard output ended, such as head"""


_DEFAULTS: Final = ("strict", "backslashreplace")  # error handlers of Python's own streams
_FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO})


class Commands(click.Group):
    """Command group that turns errors and interrupts into exit codes."""

    command_class = SectionedCommand

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401  click's own
        """Run the group; show a lookalike of each character that the output's encoding lacks."""
        keep_running()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.errors in _DEFAULTS:
                stream.reconfigure(errors=LOOKALIKE)
        try:
            return super().main(*args, **extra)
        except OSError as error:
            if error.filename is not None or error.errno not in _FULL:
                raise
            _drop_output()
            print_error(UsageError(f"cannot write to standard output: {error.strerror}"))
            sys.exit(UsageError.exit_code)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; its end becomes an exit code."""
        try:
            _require_working_directory()
            return super().invoke(ctx)
        except StraingaugeError as error:
            print_error(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            print_error(Interrupted("interrupted: there is no result"))
            ctx.exit(Interrupted.exit_code)
        except BrokenPipeError:
            if not _is_reader_gone():
                raise
            # click's own exit code for this is that of a critical threshold.
            _drop_output()
            ctx.exit(OutputClosed.exit_code)
        except OSError as error:
            if error.filename is None:
                raise
            print_error(UsageError(f"{error.filename}: {error.strerror}"))
            ctx.exit(UsageError.exit_code)


def _is_reader_gone() -> bool:
    """Return true if standard output is a pipe or socket that is not read any more."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _drop_output() -> None:
    """Drop the rest of standard output, which cannot be written, without a second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _require_working_directory() -> None:
    """Check that the working directory exists: paths are relative to it.

    Raises:
        UsageError: It was removed.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working directory cannot be used: {error.strerror}", hint="cd to another one"
        ) from error


def print_error(error: StraingaugeError) -> None:
    """Write an error and its hint to standard error."""
    click.echo(fitting(f"straingauge: {error.with_hint}"), err=True)


def print_skipped(error: StraingaugeError) -> None:
    """Write to standard error that a file was skipped, and why."""
    click.echo(fitting(f"skipped  {error}"), err=True)


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(package_name="straingauge")
def main() -> None:
    """Put load on an HTTP service, observe it, and report what limits it.

    \b
    Create a load suite from an OpenAPI document, and check that it can run:
      straingauge init http://localhost:8000
      straingauge doctor load/journeys.py
    Run a load:
      straingauge run --get /health --host http://localhost:8000
      straingauge run journeys.py --users 50 --think 1-3 --duration 5m
    Start a service with its database, until Ctrl-C:
      straingauge serve
    Show results, their trends, and the changes between two of them:
      straingauge report results/NAME.json
      straingauge explain results/NAME.json
      straingauge history results/
      straingauge compare results/OLD.json results/NEW.json
    Compare the working tree with the branch it comes from:
      straingauge ab journeys.py --base main
    Find the highest load that passes the thresholds:
      straingauge capacity journeys.py --max 500
    """
