"""Sections of options in the help of commands with many of them."""

from collections.abc import Iterator, Mapping
from typing import Final

import click

FEW: Final = 12  # options that a reader takes in without sections
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "What is loaded": (
        *("--get", "--journey", "--tags", "--think", "--host", "--base", "--head"),
        *("--config", "--ready", "--env", "--copy", "--allow-host", "--writes", "--map"),
    ),
    "Load": (
        *("--users", "--rate", "--poisson", "--stage", "--duration", "--warmup", "--connections"),
        *("--max-connections", "--processes", "--budget", "--slot", "--by-users", "--min", "--max"),
        *("--precision", "--confirmations", "--step", "--max-users", "--from", "--to", "--speed"),
        "--log-format",
    ),
    "Verdict": (
        *("--thresholds", "--abort-dead", "--abort", "--fail-at", "--fail-on", "--margin"),
    ),
    "Diagnosis": (
        *("--database-url", "--server-pid", "--profile", "--plans", "--explain", "--memory-probe"),
        *("--traceparent", "--otlp-port", "--restore-database"),
    ),
    "Output": (
        *("--live", "--control", "--export", "--results", "--name"),
        *("-o", "--markdown", "--json", "-q"),
    ),
    "Connections (or [http] in straingauge.toml)": (
        *("--timeout", "--connect-timeout", "--first-byte-timeout", "--header", "--auth"),
        *("--cookies", "--follow-redirects", "--max-redirects", "--resolve", "--host-header"),
        *("--unix-socket", "--proxy", "--ca-file", "--client-cert", "--client-key"),
        *("--server-name", "--insecure", "--http2", "--http2-prior-knowledge"),
    ),
}
"""Titles, and the options below them; a command shows those that it has."""


class SectionedCommand(click.Command):
    """A command whose help has sections if it has many options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, in sections if there are many."""
        options = {
            each.opts[0]: record
            for each in self.get_params(ctx)
            if isinstance(each, click.Option) and (record := each.get_help_record(ctx)) is not None
        }
        if len(options) <= FEW:
            return super().format_options(ctx, formatter)
        for title, records in _sections(options):
            with formatter.section(title):
                formatter.write_dl(records)
        return None


def _sections(
    options: Mapping[str, tuple[str, str]],
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each section with its options, and at the end those that are in none."""
    for title, names in SECTIONS.items():
        if found := [options[name] for name in names if name in options]:
            yield title, found
    listed = {name for names in SECTIONS.values() for name in names}
    if rest := [record for name, record in options.items() if name not in listed]:
        yield "Other", rest
