"""Parts of Python source from values and words of a document."""

import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Final

WIDTH: Final = 100
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def plain(words: str, length: int) -> str:
    """Words for a docstring or comment: one line, without characters that would end it."""
    line = " ".join(words.replace("\\", "").replace('"', "'").split())
    return "".join(letter for letter in line if letter.isprintable())[:length].strip()


def literal(value: object, indent: int = 0) -> str:
    """Format a value as source, over several lines if it is long.

    Args:
        value: JSON, with blanks.
        indent: Indentation of the line it begins in.
    """
    if isinstance(value, str):
        # Half of a surrogate pair, which JSON allows, cannot be written as it is.
        return repr(value) if _SURROGATE.search(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, dict):
        pairs = (f"{literal(key)}: {literal(item, indent + 4)}" for key, item in value.items())
        return _bracketed("{}", list(pairs), indent)
    if isinstance(value, list):
        return _bracketed("[]", [literal(item, indent + 4) for item in value], indent)
    return repr(value)


def _bracketed(brackets: str, items: Sequence[str], indent: int) -> str:
    first, last = brackets[0], brackets[1]
    flat = f"{first}{', '.join(items)}{last}"
    if len(flat) + indent + 12 <= WIDTH and "\n" not in flat:
        return flat
    inner = "".join(f"{' ' * (indent + 4)}{item},\n" for item in items)
    return f"{first}\n{inner}{' ' * indent}{last}"
