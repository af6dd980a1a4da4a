"""Tracebacks of Python in the text of a log."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.json_text import parse_json
from straingauge.profile.own_code import Frame, OwnCode
from straingauge.result.format.profile import CodeLine

_START: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'\s*File "(.+?)", line (\d+)(?:, in (.+))?$')
_TYPE: Final = re.compile(r"([A-Za-z_][\w.]*)\s*(?::|$)")
_IN_GROUP: Final = re.compile(r"\s*[+|] ?")  # of exceptions in a group
_FIRST_OF_GROUP: Final = re.compile(r"\s*\+-\+-+ 1 -+")
_NEXT_OF_GROUP: Final = re.compile(r"\s*\+-+ \d+ -+")
_CAUSE: Final = "The above exception was the direct cause of the following exception:"
_CONTEXT: Final = "During handling of the above exception, another exception occurred:"
MAX_FRAMES: Final = 500
MAX_DEPTH: Final = 4  # of objects in a line of JSON


@dataclass(frozen=True, slots=True)
class Traceback:
    """One exception.

    Attributes:
        kind: Its class, as Python shows it.
        frames: The outermost first.
    """

    kind: str
    frames: tuple[Frame, ...]


Chain = list[Traceback]
"""Exceptions that led to one another, the most telling one first: the cause before what was raised
from it, and what was raised while another one was handled before that one."""


def read_tracebacks(text: str) -> Iterator[Chain]:
    """Yield the exceptions in a log, in their order; skip those whose text is damaged.

    A line of the log may be a JSON object with a traceback in one of its texts.
    """
    lines = text.splitlines()
    plain: list[str] = []
    for line in lines:
        if line.startswith("{") and _START in line:
            yield from _in_json(line)
        else:
            plain.append(line)
    yield from _chains(plain)


def innermost(chain: Chain, own: OwnCode) -> tuple[Traceback, Frame]:
    """Return the exception of a chain and its frame nearest to the error in the service's own code.

    Without any such frame, those of the first exception where it was raised.
    """
    for each in chain:
        index = own.nearest(each.frames)
        if index is not None:
            return each, each.frames[index]
    return chain[0], chain[0].frames[-1]


def _in_json(line: str) -> Iterator[Chain]:
    try:
        content = parse_json(line)
    except ValueError:
        return
    for text in _texts(content, MAX_DEPTH):
        if _START in text:
            yield from _chains(text.splitlines())


def _texts(content: Any, depth: int) -> Iterator[str]:  # noqa: ANN401  any JSON
    if isinstance(content, str):
        yield content
    elif depth and isinstance(content, (dict, list)):
        for each in content.values() if isinstance(content, dict) else content:
            yield from _texts(each, depth - 1)


@dataclass(slots=True)
class _Reader:
    """The state between two lines."""

    chain: Chain = field(default_factory=list)
    frames: list[Frame] | None = None  # of the traceback that is being read
    indent: int = 0
    is_in_group: bool = False
    link: str = ""  # between the last exception and the next


def _chains(lines: Sequence[str]) -> Iterator[Chain]:
    reader = _Reader()
    for line in lines:
        if line.endswith(_START):
            if reader.chain and not reader.link:
                yield reader.chain
                reader.chain = []
            _begin(reader, line)
        elif reader.frames is not None:
            _read(reader, line)
        elif reader.chain:
            _link(reader, line)
    if reader.chain:
        yield reader.chain


def _begin(reader: _Reader, line: str) -> None:
    before = line.removesuffix(_START).removesuffix("Exception Group ")
    reader.is_in_group = _IN_GROUP.match(before) is not None
    # After other text, such as the level and the time, the frames begin at the start of the line.
    reader.indent = 0 if reader.is_in_group or before.strip() else len(before)
    reader.frames = []


def _read(reader: _Reader, line: str) -> None:
    """Read a line of a traceback, or its end."""
    assert reader.frames is not None
    if reader.is_in_group:
        line = _IN_GROUP.sub("", line, count=1)
    found = _FRAME.match(line)
    if found:
        if len(reader.frames) < MAX_FRAMES:
            reader.frames.append(Frame(found[1], int(found[2]), found[3] or ""))
        return
    if not line.strip() or len(line) - len(line.lstrip()) > reader.indent:
        return  # a line of code
    kind = _TYPE.match(line.strip())
    if kind and reader.frames:
        found_now = Traceback(kind[1], tuple(reader.frames))
        if reader.link == _CAUSE:
            reader.chain.append(found_now)
        else:
            reader.chain.insert(0, found_now)
    reader.frames, reader.link = None, ""


def _link(reader: _Reader, line: str) -> None:
    """Read a line after an exception, which may say that the next one belongs to it."""
    text = line.strip(" |")
    if text in (_CAUSE, _CONTEXT):
        reader.link = text
    elif _FIRST_OF_GROUP.match(line):
        reader.link = _CONTEXT
    elif _NEXT_OF_GROUP.match(line):
        reader.link = _CAUSE


def last_line(text: str, own: OwnCode) -> CodeLine | None:
    """Return the line that the last exception in a text leads to; None without one."""
    chains = list(read_tracebacks(text))
    if not chains:
        return None
    _, frame = innermost(chains[-1], own)
    return {"file": own.shown(frame.file), "line": frame.line, "function": frame.function}


def count_lines(chains: Iterable[Chain], own: OwnCode) -> dict[tuple[str, str, int, str], int]:
    """Return how often each line raised each type: (type, file, line, function)."""
    counts: dict[tuple[str, str, int, str], int] = {}
    for chain in chains:
        raised, frame = innermost(chain, own)
        key = raised.kind, own.shown(frame.file), frame.line, frame.function
        counts[key] = counts.get(key, 0) + 1
    return counts
