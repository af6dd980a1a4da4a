"""Tables, bars and labelled lines for a terminal."""

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

LABEL_WIDTH: Final = 8
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_LEVELS: Final = "▁▂▃▄▅▆▇█"


def table(*columns: str, numbers: Sequence[str] = (), fixed: Sequence[str] = ()) -> Table:
    """Create a table without borders.

    Args:
        columns: The titles.
        numbers: Titles of columns with numbers: aligned right, never wrapped.
        fixed: Titles of other columns that are never wrapped.
    """
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in columns:
        made.add_column(
            title,
            justify="right" if title in numbers else "left",
            no_wrap=title in numbers or title in fixed,
            overflow="fold",
        )
    return made


def render(parts: Iterable[Table | Text | str], *, width: int, colour: bool) -> str:
    """Render tables, and lines that are not wrapped.

    Args:
        parts: In their order.
        width: Of the terminal, in columns.
        colour: Whether the terminal shows colours.
    """
    output = StringIO()
    console = Console(
        file=output,
        width=width,
        force_terminal=colour,
        color_system="auto" if colour else None,
        markup=False,  # names of tests and endpoints are shown as they are
        emoji=False,
    )
    for part in parts:
        if isinstance(part, Table):
            console.print(part)
        else:
            console.print(Text(part) if isinstance(part, str) else part, soft_wrap=True)
    return output.getvalue()


def labelled(label: str, text: object, width: int = LABEL_WIDTH) -> str:
    """A line that begins with a label, such as "result   results/get.json"."""
    return f"{label:<{width}} {text}"


def bar(share: float, width: int) -> str:
    """A horizontal bar over a share of `width` columns, to an eighth of a column."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return (_EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def sparkline(values: Sequence[float]) -> list[str]:
    """One bar of eight heights for each value, between the lowest and the highest of them."""
    low, high = min(values), max(values)
    top = len(_LEVELS) - 1
    return [
        _LEVELS[round((value - low) / (high - low) * top) if high > low else 0] for value in values
    ]
