"""Conditions of a plan, read from the text in which PostgreSQL shows them.

With VERBOSE each column is qualified by its table's alias, and each operator stands between spaces
in separate parentheses: ``((sessions.patient_id = $1) AND (sessions.started_at > $2))``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["equal", "range", "contains", "pattern", "null", "other"]

_WORD = r'(?:"(?:[^"]|"")+"|[a-z_][\w$]*)'
_COLUMN = re.compile(rf"({_WORD})\.({_WORD})")
_PARAMETER = re.compile(r"(?:ANY )?\(*\$(\d+)\)*(?:::[\w ]+(?:\[\])?\)*)*")
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[()\[\]]""")
# A cast between these types leaves the value as it is, so that an index on the column serves.
_SAME_VALUE = re.compile(r"::(?:text|character varying|bpchar)(?:\(\d+\))?(?:\[\])?$")
_OPERATORS: dict[str, Kind] = {
    "=": "equal",
    **dict.fromkeys(("<", "<=", ">", ">="), "range"),
    **dict.fromkeys(("@>", "&&", "@@"), "contains"),
    **dict.fromkeys(("~~", "~~*", "~", "~*"), "pattern"),
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
# Functions that PostgreSQL accepts in an index: their value depends on the argument alone.
_IMMUTABLE = re.compile(rf"(?:lower|upper|btrim)\(\(?({_WORD})\.({_WORD})\)?(?:::text)?\)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or an immutable expression of one, as an index would name it.

    Attributes:
        alias: Alias of its table in the statement, as quoted in it.
        name: Name of the column, as quoted.
        expression: The expression without the alias; the name itself for a column.
    """

    alias: str
    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a column.

    Attributes:
        column: The column.
        kind: The way in which the column is compared.
        operator: The operator, with the column on its left.
        value: The other operand, as text.
        other: The column of another table that it is compared with, in a join.
    """

    column: Column
    kind: Kind
    operator: str
    value: str
    other: Column | None = None

    @property
    def parameter(self) -> int | None:
        """Number of the parameter that the column is compared with, if it is one."""
        found = _PARAMETER.fullmatch(self.value)
        return int(found[1]) if found else None


def conditions(text: str) -> list[Condition]:
    """Return the conditions that all have to be true, of those that are on a single column.

    A comparison of two columns counts for both of them.
    """
    return [each for part in _conjuncts(text) for each in _conditions(part)]


def aliases(text: str) -> set[str]:
    """Return the aliases of the tables that an expression uses."""
    return {alias for alias, _ in _COLUMN.findall(text)}


def column_of(text: str) -> Column | None:
    """Return the column that an operand is, or an indexable expression of one."""
    plain = _unwrapped(text)
    if found := _COLUMN.fullmatch(plain):
        return Column(found[1], found[2], found[2])
    if found := _IMMUTABLE.fullmatch(plain):
        return Column(found[1], found[2], plain.replace(f"{found[1]}.", ""))
    return None


def _conditions(text: str) -> Iterator[Condition]:
    text = _without_parentheses(text)
    if null := re.fullmatch(r"(.+) IS NULL", text):
        column = column_of(null[1])
        if column is not None:
            yield Condition(column, "null", "IS", "NULL")
        return
    parts = _split(text, re.compile(r" ([=<>~@&!|?#*^%+-]+) "))
    if len(parts) != 3:
        return
    left, operator, right = parts
    yield from _comparison(left, operator, right)
    if operator == "=" or operator in _MIRRORED:
        yield from _comparison(right, _MIRRORED.get(operator, operator), left)


def _comparison(left: str, operator: str, right: str) -> Iterator[Condition]:
    column = column_of(left)
    if column is None or column.alias in aliases(right) or right.startswith("ALL "):
        return
    kind = _OPERATORS.get(operator, "other")
    yield Condition(column, kind, operator, right, column_of(right))


def _conjuncts(text: str) -> list[str]:
    text = _without_parentheses(text)
    parts = _split(text, re.compile(r" (AND) "))
    return parts[::2] if len(parts) > 1 else [text]


def _split(text: str, by: re.Pattern[str]) -> list[str]:
    """Split a text outside of parentheses and quotes, as `re.split` does."""
    visible, depth, end = list(text), 0, 0
    for found in _TOKEN.finditer(text):
        hidden = slice(end if depth else found.start(), found.end())
        visible[hidden] = "\0" * (hidden.stop - hidden.start)
        depth += (found[0] in "([") - (found[0] in ")]")
        end = found.end()
    parts, start = [], 0
    for found in by.finditer("".join(visible)):
        parts += [text[start : found.start()], found[1]]
        start = found.end()
    return [*parts, text[start:]]


def _without_parentheses(text: str) -> str:
    while text.startswith("(") and _closing(text) == len(text) - 1:
        text = text[1:-1]
    return text


def _unwrapped(text: str) -> str:
    """Return an operand without parentheses and without casts that keep the value."""
    while True:
        plain = _SAME_VALUE.sub("", _without_parentheses(text))
        if plain == text:
            return plain
        text = plain


def _closing(text: str) -> int:
    """Return the place of the parenthesis that closes the first one; -1 if none does."""
    depth = 0
    for found in _TOKEN.finditer(text):
        depth += (found[0] in "([") - (found[0] in ")]")
        if depth == 0 and found[0] == ")":
            return found.start()
    return -1
