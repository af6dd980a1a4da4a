"""What users write on the command line for times and for what is played, and what that means."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_TIME = re.compile(rf"({_NUMBER})\s*(ms|s|m|h|)")
_RANGE = re.compile(rf"({_NUMBER})(?:\s*-\s*({_NUMBER}))?\s*(ms|s|m|h|)")


class Duration(click.ParamType[float]):
    """A time that is more than 0, such as 30s, 5m, 1h, 250ms; in seconds."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        found = _TIME.fullmatch(str(value).strip())
        seconds = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
        if not (seconds > 0 and math.isfinite(seconds)):
            self.fail(f"{value!r} is no time: write it like 30s, 5m or 1h, more than 0", param, ctx)
        return seconds


class Warmup(Duration):
    """How long to warm up, or "detect"."""

    name = "TIME|detect"

    def convert(  # type: ignore[override]
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | Literal["detect"]:
        """The seconds, or the word."""
        return "detect" if value == "detect" else super().convert(value, param, ctx)


class Think(click.ParamType[tuple[float, float]]):
    """A time, or the least and the most of one: 2, 1-3, 500-900ms; in seconds."""

    name = "TIME[-TIME]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """The least and the most, in seconds."""
        found = _RANGE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no think time: write it like 2s or 1-3s", param, ctx)
        unit_s = _UNITS_S[found[3]]
        least, most = float(found[1]) * unit_s, float(found[2] or found[1]) * unit_s
        if least > most:
            self.fail(f"{value!r}: the least comes first, as in 1-3s", param, ctx)
        return least, most


def _split(tags: str | None) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in tags.split(",")) if tags else ()


_PLAYED = (
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
        callback=lambda _ctx, _param, value: _split(value),
        help="Only journeys of FILE with one of these tags.",
    ),
    click.option("--think", type=Think(), help="Pause of a user between journeys, such as 1-3s."),
)


def played(command: Callable[..., Any]) -> Callable[..., Any]:
    """What users do: FILE, --get, --journey, --tags and --think, as each command takes them."""
    for parameter in reversed(_PLAYED):
        command = parameter(command)
    return command
