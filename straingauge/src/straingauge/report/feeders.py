"""The use of data feeders, in one line each."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from straingauge.number_text import count, were
from straingauge.result.format.result import Feeder

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab"}


def feeder_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each feeder, such as "users.csv: 40 of 1,000 rows were used, each once"."""
    for name, feeder in sorted(result.get("feeders", {}).items()):
        yield f"{name}: {_use(feeder)}{_delimiter(feeder)}"


def _use(feeder: Feeder) -> str:
    used, uses = feeder["rows_used"], feeder["uses"]
    often = "each once" if used == uses else f"{count(uses, 'time')} together"
    of = f"{used:,} of {count(feeder['rows'], 'row')} {were(used)} used"
    return f"{of}, {often}" if uses else of


def _delimiter(feeder: Feeder) -> str:
    delimiter = feeder["delimiter"]
    # A comma is what everyone expects.
    if delimiter in (None, ","):
        return ""
    return f" (delimiter: {_DELIMITERS.get(delimiter, delimiter)})"
