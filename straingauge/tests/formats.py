"""A complete result for tests, and a strict check of files.

The published schemas allow unknown fields. Files that straingauge writes must not have any:
`conforming` rejects them.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from straingauge.ab.document import AB_VERSION
from straingauge.capacity.document import CAPACITY_VERSION
from straingauge.result.format import SCHEMA_VERSION
from straingauge.result.format.read import SESSION_VERSION
from straingauge.result.format.schema import Schema, schema, violation

GOLDEN = Path(__file__).with_name("golden")
PRESENT = {
    "schema_version": f"result-{SCHEMA_VERSION}",
    "session_version": f"session-{SESSION_VERSION}",
    "ab_version": f"ab-{AB_VERSION}",
    "capacity_version": f"capacity-{CAPACITY_VERSION}",
}
"""The schema of each kind of file, by the field with its version."""


def whole(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  parts of a result
    """A real result, with some parts replaced."""
    return {**json.loads((GOLDEN / "result-1.json").read_text()), **changes}


def conforming(file: Path) -> dict[str, Any]:
    """Return the content of a file, after checking that each field is documented."""
    document: dict[str, Any] = json.loads(file.read_text())
    (name,) = (PRESENT[version] for version in PRESENT if version in document)
    wrong = violation(document, closed(name))
    assert wrong is None, f"{file}: {wrong}"
    return document


@cache
def closed(name: str) -> Schema:
    """A published schema without unknown fields."""
    found: Schema = _closed(schema(name))
    return found


def _closed(part: Any) -> Any:  # noqa: ANN401  any part of a schema
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    inside = {key: _closed(value) for key, value in part.items()}
    is_object = "properties" in part and "object" in part.get("type", ())
    return {"additionalProperties": {"enum": []}, **inside} if is_object else inside
