"""Types of command-line parameters: durations, think times and journeys."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import click

from straingauge.errors import UsageError
from straingauge.time_text import NUMBER, UNITS_S, parse_time

if TYPE_CHECKING:
    from straingauge.schedule import Stage

MAX_USERS: Final = 1_000_000  # each takes about a kilobyte; more need several machines
MAX_PORT: Final = 65_535
MAX_DURATION_S: Final = 366 * 86_400.0

RANGE: Final = re.compile(rf"({NUMBER})(?:\s*-\s*({NUMBER}))?\s*(ms|s|m|h|d|)")


class FiniteFloat(click.FloatRange):
    """A number within limits; neither NaN nor infinity."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = super().convert(cast("float", value), param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class WholeNumber(click.IntRange):
    """A whole number within limits."""

    name = "whole number"


class Duration(click.ParamType[float]):
    """A time that is more than 0, such as 30s, 5m, 1h30m, 250ms; in seconds."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the time in seconds."""
        seconds = parse_time(str(value)) or 0.0
        if not seconds:
            self.fail(
                f"{value!r} is not a time: write it like 30s, 5m or 1h30m, more than 0", param, ctx
            )
        if seconds > MAX_DURATION_S:
            self.fail(f"{value!r} is longer than a year", param, ctx)
        return seconds


class OptionalPort(click.ParamType[int]):
    """A port of an option whose value may be missing: 0 takes any free port."""

    name = "port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the port."""
        text = str(value)
        if not (text.isascii() and text.isdecimal() and int(text) <= MAX_PORT):
            name = param.opts[0] if param else "the option"
            self.fail(f"{text!r} is not a port: put {name} last, or write {name}=PORT", param, ctx)
        return int(text)


class Warmup(Duration):
    """The duration of a warm-up, or "detect"."""

    name = "TIME|detect"

    def convert(  # type: ignore[override]
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | Literal["detect"]:
        """Return the seconds, or "detect"."""
        return "detect" if value == "detect" else super().convert(value, param, ctx)


class Think(click.ParamType[tuple[float, float]]):
    """A time or a range of times in seconds: 2, 1-3, 500-900ms."""

    name = "TIME[-TIME]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Return the limits of the range in seconds."""
        found = RANGE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not a think time: write it like 2s or 1-3s", param, ctx)
        unit_s = UNITS_S[found[3]]
        least, most = float(found[1]) * unit_s, float(found[2] or found[1]) * unit_s
        if least > most:
            self.fail(f"{value!r}: write the lower limit first, as in 1-3s", param, ctx)
        return least, most


class StageText(click.ParamType["Stage"]):
    """A stage, such as 30s:100 (users) or 30s:100/s (arrivals)."""

    name = "TIME:TARGET"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Stage":
        """Return the stage."""
        from straingauge.schedule import Stage

        try:
            return value if isinstance(value, Stage) else Stage.parse(str(value))
        except UsageError as error:
            self.fail("; ".join(filter(None, (str(error), error.hint))), param, ctx)


def _split(ctx: click.Context, param: click.Parameter, tags: str | None) -> tuple[str, ...]:
    """Return the tags of a list such as "read,write"."""
    if tags is None:
        return ()
    found = tuple(filter(None, (tag.strip() for tag in tags.split(","))))
    if not found:
        raise click.BadParameter(f"{tags!r} names no tag: write it like read,write", ctx, param)
    return found


_JOURNEY_OPTIONS = (
    click.argument("file", required=False, type=click.Path(path_type=Path)),
    click.option(
        "--get",
        "gets",
        multiple=True,
        metavar="PATH",
        help="Path to request, instead of FILE. Repeatable.",
    ),
    click.option(
        "--journey",
        "journeys",
        multiple=True,
        metavar="NAME[=WEIGHT]",
        help="Journey of FILE to run. Repeatable.",
    ),
    click.option(
        "--tags",
        metavar="A,B",
        callback=_split,
        help="Only journeys of FILE with one of these tags.",
    ),
    click.option("--think", type=Think(), help="Pause of a user between journeys, such as 1-3s."),
)


def journey_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add FILE, --get, --journey, --tags and --think, which all load commands share."""
    for parameter in reversed(_JOURNEY_OPTIONS):
        command = parameter(command)
    return command
