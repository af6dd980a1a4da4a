"""Values of command-line options of benches and campaigns."""

import argparse
import math
from collections.abc import Callable, Iterable, Mapping

MAX_COUNT = 1000
MAX_MINUTES = 1440.0


def parse_count(text: str) -> int:
    """Parse a number of trials or of seconds."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_COUNT}")
    return int(text)


def parse_minutes(text: str) -> float:
    """Parse a time limit in minutes."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of minutes above 0 up to {MAX_MINUTES:g}"
        )
    return found


def names_parser(
    known: Iterable[str], plural: str, groups: Mapping[str, Iterable[str]] | None = None
) -> Callable[[str], list[str]]:
    """Return a parser of names that are separated by commas.

    Args:
        known: The names.
        plural: A noun for them.
        groups: Names of groups, with the names that each stands for.
    """
    found = {name: [name] for name in known}
    by_name = {name: list(names) for name, names in (groups or {}).items()} | found

    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in by_name:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is none of the {plural}; choose from {', '.join(by_name)}"
                )
        return list(dict.fromkeys(each for name in names for each in by_name[name]))

    return parse
