# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""The `straingauge` command itself: its help, and how its commands may end."""

import click

from straingauge.errors import Interrupted, StraingaugeError

EXIT_CODES = """\b
Exit codes:
  0    within target or warning; a report was shown; a stand was told to end
  1    a critical threshold was crossed; of compare and ab: worse than allowed
  2    wrong usage or configuration
  3    target unreachable, or its setup failed
  4    the run is invalid: its figures prove nothing
  130  interrupted by Ctrl-C"""


class Commands(click.Group):
    """The group whose commands may raise our errors and be interrupted."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command; every way it can end becomes its exit code."""
        try:
            return super().invoke(ctx)
        except StraingaugeError as error:
            print_error(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(Interrupted.exit_code)


def print_error(error: StraingaugeError) -> None:
    """Write an error and its hint to standard error."""
    click.echo(f"straingauge: {error.with_hint}", err=True)


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="straingauge")
def main() -> None:
    """Puts load on an HTTP service, watches it from the inside, and says what it found.

    \b
    A first suite for a service, from its OpenAPI document, and whether all is ready for it:
      straingauge init http://localhost:8000
      straingauge doctor load/journeys.py
    A quick look at a service, and a load by journeys of your own:
      straingauge run --get /health --host http://localhost:8000
      straingauge run journeys.py --users 50 --think 1-3 --duration 5m
    A service to try things on, with its database, until Ctrl-C:
      straingauge stand
    What a load test found, from its result file:
      straingauge report results/NAME.json
    What became of it over time, and from one result to another:
      straingauge history results/
      straingauge compare results/OLD.json results/NEW.json
    Whether the files as they are make anything slower than the branch they come from:
      straingauge ab journeys.py --base main
    How much the service carries, and what gives first:
      straingauge capacity journeys.py --max 500
    """
