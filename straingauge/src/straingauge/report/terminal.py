"""Tables, bars and labelled lines for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from textwrap import wrap
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from straingauge.line_wrap import INDENT, pieces

LABEL_WIDTH: Final = 8
_LONGEST_WORD: Final = 20
_ROW_INDENT: Final = "  "
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
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


def render(
    parts: Iterable[Table | Text | str],
    *,
    width: int,
    colour: bool,
    wrap: bool = False,
    indent: int = INDENT,
) -> str:
    """Render tables and lines.

    A table that has no room for its numbers and words becomes a few lines for each row.

    Args:
        parts: In their order.
        width: Of the terminal, in columns.
        colour: Whether the terminal shows colours.
        wrap: Wrap lines that are longer, between words; else each stays one line.
        indent: Of what is wrapped.
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
        if isinstance(part, Table) and _fit(part, width):
            console.print(part)
        elif isinstance(part, Table):
            output.writelines(f"{line}\n" for line in _stacked(part, width))
        else:
            text = Text(part) if isinstance(part, str) else part
            for line in _wrapped(text, width, indent) if wrap else (text,):
                console.print(line, soft_wrap=True)
    return output.getvalue()


def _wrapped(text: Text, width: int, indent: int) -> Iterator[Text]:
    """Yield the lines of a text; all but the first are indented."""
    for part in pieces(text.plain, width, indent):
        line = text[part]
        yield Text(" " * indent).append_text(line) if part.start else line


def _fit(table: Table, width: int) -> bool:
    """Set the columns' widths so that no cell is cut and no word broken; False if there is no room.

    Only a word of more than 20 characters, such as a path, may be broken.
    """
    needed, natural = [], []
    for column in table.columns:
        cells = [str(cell) for cell in (column.header, *column.cells)]
        natural.append(max(map(cell_len, cells)))
        longest = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
        needed.append(natural[-1] if column.no_wrap else min(longest, _LONGEST_WORD))
    room = width - sum(needed) - len(needed) + 1
    for column, least, most in zip(table.columns, needed, natural, strict=True):
        column.width = min(most, least + max(room, 0))
        room -= column.width - least
    return room >= 0


def _stacked(table: Table, width: int) -> Iterator[str]:
    """Yield each row as its first cell, then the others with their titles."""
    titles = [str(column.header).replace(" ", _NO_BREAK) for column in table.columns[1:]]
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        yield str(first)
        cells = zip(titles, map(str, others), strict=True)
        text = ", ".join(f"{title}{_NO_BREAK}{cell}" for title, cell in cells if cell)
        lines = wrap(
            text,
            width,
            initial_indent=_ROW_INDENT,
            subsequent_indent=_ROW_INDENT,
            break_on_hyphens=False,
        )
        yield from (line.replace(_NO_BREAK, " ") for line in lines)


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
