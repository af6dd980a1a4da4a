"""Values of command-line options."""

import argparse
import math


def minutes(text: str) -> float:
    """Parse a time in minutes."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return found
