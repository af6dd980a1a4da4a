"""A statement of `pg_stat_statements`, whose values are replaced by `$1`, `$2`, made plannable."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

MOST_CHARS = 20_000
_PLANNABLE = re.compile(r"\s*\(*\s*(select|with|insert|update|delete|merge)\b", re.IGNORECASE)
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?:[a-z_]\w*)?\$.*?\$\w*\$|\$(\d+)|;""",
    re.DOTALL | re.IGNORECASE,
)
_PARAMETER = re.compile(r"parameter \$(\d+)")
# Literals with a type in front and the field of extract() lose their meaning without their value.
_TYPED = re.compile(r"\b(interval|date|time|timestamp|timestamptz)\s+(\$\d+)", re.IGNORECASE)
_EXTRACT = re.compile(r"\bextract\s*\(\s*\$\d+\s+from\b", re.IGNORECASE)
_LIMIT = re.compile(r"\b(limit|offset)\s+([$\d+\s]+)", re.IGNORECASE)
TYPES = ("integer", "text", "text[]", "timestamptz", "interval", "uuid", "jsonb")
MOST_ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class PlannableStatement:
    """A statement with types for the parameters whose type PostgreSQL cannot infer.

    Attributes:
        source: The text, with parameters.
        types: Types by number of the parameter, as indexes of `TYPES`.
    """

    source: str
    types: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "PlannableStatement | None":
        """Return the statement; None unless it is certainly a single one, and has a plan.

        What a backslash means depends on the server's settings, so texts with one are refused.
        """
        text = text.strip().rstrip(";")
        tokens = [found[0] for found in _TOKEN.finditer(text)]
        bare = _TOKEN.sub(lambda found: " " if found[0].startswith(("/*", "--")) else "x", text)
        if len(text) > MOST_CHARS or "\\" in text or ";" in tokens or not _PLANNABLE.match(bare):
            return None
        return cls(_renumbered(_EXTRACT.sub("extract(epoch from", _TYPED.sub(r"\2::\1", text))))

    @property
    def text(self) -> str:
        """The text with its casts."""

        def with_cast(found: re.Match[str]) -> str:
            number = int(found[1] or 0)
            return f"{found[0]}::{TYPES[self.types[number]]}" if number in self.types else found[0]

        return _TOKEN.sub(with_cast, self.source)

    @property
    def parameters(self) -> tuple[int, ...]:
        """The numbers of its parameters, in ascending order."""
        return tuple(sorted({int(found[1]) for found in _TOKEN.finditer(self.source) if found[1]}))

    @property
    def modifies(self) -> bool:
        """True unless it only reads."""
        words = re.findall(r"[a-z]+", _TOKEN.sub(" ", self.source).lower())
        return not {"insert", "update", "delete", "merge"}.isdisjoint(words)

    def limits(self) -> dict[int, str]:
        """Return the parameters of LIMIT and OFFSET, with which of both they belong to."""
        return {
            int(number): word.lower()
            for word, amount in _LIMIT.findall(self.source)
            for number in re.findall(r"\$(\d+)", amount)
        }

    def with_next_type(self, message: str, position: int | None) -> "PlannableStatement | None":
        """Return the statement with another type for the parameter that an error is about.

        Args:
            message: The error of PostgreSQL.
            position: Where in `text` it is, in characters from 1.

        Returns:
            The statement to try next; None if there is none.
        """
        named = _PARAMETER.search(message)
        number = int(named[1]) if named else self._nearest(position)
        if number is None:
            return None
        tried = self.types.get(number, -1)
        first = TYPES.index("text[]") if re.search(r"unnest|\barray|ANY", message) else 0
        next_ = first if tried < 0 else tried + 1
        if next_ >= len(TYPES):
            return None
        return replace(self, types={**self.types, number: next_})

    def _nearest(self, position: int | None) -> int | None:
        """Return the first parameter after a position in `text`, or else the last before it."""
        if position is None:
            return None
        places = [(found.end(), int(found[1])) for found in _TOKEN.finditer(self.text) if found[1]]
        after = [number for end, number in places if end >= position]
        return after[0] if after else next((number for _, number in reversed(places)), None)


def _renumbered(text: str) -> str:
    """Return a statement whose parameters are numbered from 1 without gaps."""
    used = sorted({int(found[1]) for found in _TOKEN.finditer(text) if found[1]})
    numbers = {number: place for place, number in enumerate(used, 1)}
    return _TOKEN.sub(lambda found: f"${numbers[int(found[1])]}" if found[1] else found[0], text)
