"""Names of runs, and of the files that are named after them."""

import os
import re
from typing import Final

from straingauge.errors import UsageError

# A time and an ending follow; file systems allow 255 bytes, encrypted ones 143.
MAX_STEM_BYTES: Final = 112
_OTHERS = re.compile(r"[^\w.,+=@-]")  # includes the characters that Windows and shells interpret


def require_name(name: object) -> None:
    """Require a name of a run: text on one line, with anything else that can be printed.

    Raises:
        UsageError: It is not.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UsageError(
            f"{name!r} cannot be the name of a run: it must be text on one line",
            hint='name the run by a word, such as "search"',
        )


def file_stem(name: str) -> str:
    """Return the name of a run as a file can have it, on each system and in each folder."""
    stem = "".join(_encodable(character) for character in _OTHERS.sub("_", name))
    stem = stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore")
    return f"_{stem[1:]}" if stem[:1] in ("", ".", "-") else stem


def _encodable(character: str) -> str:
    """Return a character, or an underscore if file names here cannot have it."""
    try:
        os.fsencode(character)
    except UnicodeEncodeError:
        return "_"
    return character
