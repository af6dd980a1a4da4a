"""One kind of input, and trials of it: each example is read, or refused with a clear error."""

import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

LIMIT_S: Final = 5.0
"""CPU time that an example of at most some 100 kB may take, a hundred times what it should."""

_MEMORY_BYTES: Final = 6 << 30
_SHOWN: Final = 300


class Refused(Exception):
    """The reader has refused an example with a documented error; the text is its message."""


class Hang(BaseException):
    """An example has taken more than `LIMIT_S`."""


@dataclass(frozen=True, slots=True)
class Input:
    """One kind of what straingauge reads.

    Attributes:
        name: Its name in options.
        title: Its name in the table.
        make: Returns a random example.
        read: Reads an example as the product does; raises `Refused` for a documented error, and
            AssertionError for a result that is wrong.
    """

    name: str
    title: str
    make: Callable[[Random], bytes]
    read: Callable[[bytes, Path], None]


@dataclass(slots=True)
class Tally:
    """Outcomes of one kind of input.

    Attributes:
        examples: Number of examples.
        refused: Number of those that were refused with a documented error.
        hangs: Number of those that took too long.
        problems: The shortest example of each other error, by error and place.
        counts: Number of examples of each of them.
    """

    examples: int = 0
    refused: int = 0
    hangs: int = 0
    problems: dict[str, bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def tracebacks(self) -> int:
        """Number of examples with an error that is not documented."""
        return sum(self.counts.values()) - self.hangs


def try_example(each: Input, example: bytes, folder: Path, tally: Tally) -> None:
    """Read an example, and count what became of it."""
    tally.examples += 1
    try:
        with _limit():
            each.read(example, folder)
    except Refused:
        tally.refused += 1
    except Hang:
        tally.hangs += 1
        _add(tally, f"no end within {LIMIT_S:g} s of CPU time", example)
    except Exception as error:  # noqa: BLE001  each of them is what a trial looks for
        _add(tally, _described(error), example)


def _add(tally: Tally, problem: str, example: bytes) -> None:
    tally.counts[problem] = tally.counts.get(problem, 0) + 1
    known = tally.problems.get(problem)
    if known is None or len(example) < len(known):
        tally.problems[problem] = example


def _described(error: Exception) -> str:
    """Describe an error by its type and the innermost place in straingauge that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if "/straingauge/src/" in each.filename] or frames
    path = own[-1].filename.rpartition("/straingauge/")[2]
    text = f"{type(error).__name__} in {path}:{own[-1].lineno} {own[-1].name}"
    return f"{text}: {str(error)[:_SHOWN]}" if isinstance(error, AssertionError) else text


@contextmanager
def _limit() -> Iterator[None]:
    """Interrupt what takes too much CPU time, within `limits`."""
    if signal.getsignal(signal.SIGPROF) is not _interrupt:
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _interrupt(_signal: int, _frame: object) -> None:
    raise Hang


@contextmanager
def limits() -> Iterator[None]:
    """Bound time and memory of the examples tried inside."""
    before = signal.signal(signal.SIGPROF, _interrupt)
    memory = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, memory[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.signal(signal.SIGPROF, before)
