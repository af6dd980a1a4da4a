"""Lines that are too long for a terminal, wrapped between words, and characters that it lacks."""

import codecs
from collections.abc import Iterator
from typing import Final

INDENT: Final = 9  # of the text after a label: `report.terminal.labelled`
LOOKALIKE: Final = "straingauge.lookalike"
"""Name of the error handler of encodings that has a similar character for one they lack."""
_LOOKALIKES: Final = str.maketrans(
    {
        **dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#", strict=True)),
        **dict.fromkeys("▏▎▍▌▋▊▉╸╺·", "-"),
        "━": "=",
        "│": "|",
        "…": "...",
        "→": "->",
        "\N{EN DASH}": "-",
        "\N{NO-BREAK SPACE}": " ",
    }
)


def wrapped(text: str, width: int, indent: int = INDENT) -> str:
    """Wrap one line between words; a word that is wider than the terminal stays whole.

    Args:
        text: The line.
        width: Of the terminal, in columns.
        indent: Of the second line and those after it.
    """
    first, *others = (text[part] for part in pieces(text, width, indent))
    return "\n".join([first, *(f"{'':{indent}}{each}" for each in others)])


def pieces(text: str, width: int, indent: int = INDENT) -> Iterator[slice]:
    """Yield the part of a text that each line has; see `wrapped`."""
    start, least, room = 0, min(indent, width // 2), width
    while len(text) - start > room:
        cut = text.rfind(" ", start + least, start + room + 1)
        if cut <= start + least:
            cut = text.find(" ", start + room)
        if cut < 0:
            break
        yield slice(start, cut)
        start, least, room = cut + 1, 0, width - indent
    yield slice(start, len(text))


def encodable(text: str, encoding: str | None) -> str:
    """Return a text with lookalikes of the characters that an encoding lacks."""
    name = encoding or "utf-8"
    return text.encode(name, LOOKALIKE).decode(name)


def _lookalike(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end].translate(_LOOKALIKES)
    return "".join(each if each.isascii() else "?" for each in missing), error.end


codecs.register_error(LOOKALIKE, _lookalike)
