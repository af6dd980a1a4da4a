# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge comment`: Markdown as a comment of a pull request."""

import os
import sys
from pathlib import Path

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main
from straingauge.errors import UsageError

DEFAULT_ID = "load tests"


@main.command(epilog=EXIT_CODES, short_help="Comment on the pull request of a CI job.")
@click.argument("file", type=common_options.PATH, metavar="FILE")
@click.option(
    "--id",
    "name",
    default=DEFAULT_ID,
    show_default=True,
    metavar="TEXT",
    help="Which comment to update, if a pull request has several.",
)
def comment(*, file: Path, name: str) -> None:
    """Write Markdown to the pull request of this CI job, or update the comment.

    \b
      straingauge ab journeys.py --base main --markdown > comparison.md
      straingauge comment comparison.md

    FILE is Markdown; "-" reads standard input. The first run adds a comment,
    and later runs replace its text. The comment is found by an invisible first
    line, which contains --id.

    In GitHub Actions, the job needs `permissions: pull-requests: write` and the
    step GITHUB_TOKEN; in GitLab CI, the job needs GITLAB_TOKEN, a token of the
    project with the scope `api`.
    """
    from straingauge.pull_request import post, pull_request_of
    from straingauge.text_file import read_text

    text = sys.stdin.read() if str(file) == "-" else read_text(file)
    if not text.strip():
        raise UsageError(f"{file}: there is nothing to write")
    click.echo(post(pull_request_of(os.environ), text, name))
