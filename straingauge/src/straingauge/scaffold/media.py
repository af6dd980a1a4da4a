"""Media types: bodies of requests, and the JSON in responses."""

import json
import re
from typing import Any, Final

from straingauge.scaffold.document import Document, Part, as_dict, as_list
from straingauge.scaffold.schema import flattened, object_type
from straingauge.scaffold.values import Blank, Source, blanks, given_or_fitting

_JSON: Final = re.compile(r"(application|text)/([\w.+-]+\+)?json")
_LINES: Final = re.compile(r"application/(x-)?(ndjson|jsonl|jsonlines|json-lines)")
_FORM: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_ENDLESS: Final = ("text/event-stream", "multipart/x-mixed-replace")


def essence(kind: str) -> str:
    """A media type without parameters, in lower case."""
    return kind.partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """True for JSON and for types with the suffix +json (RFC 6839)."""
    return _JSON.fullmatch(essence(kind)) is not None


def is_endless(content: Part) -> bool:
    """True if a response is a stream of events."""
    return any(essence(kind) in _ENDLESS for kind in content)


def json_schema(content: Part) -> Any:  # noqa: ANN401  any JSON
    """Schema of the JSON in a response; empty if it has none."""
    kinds = [kind for kind in content if is_json(kind) or essence(kind) == "*/*"]
    return as_dict(content[kinds[0]]).get("schema", {}) if kinds else {}


def body_of(content: Part, document: Document, where: str) -> tuple[str, Any, str | None]:
    """Choose a media type and create a body.

    Args:
        content: The media types of a request body.
        document: The document.
        where: Description of the body, for blanks.

    Returns:
        Name of the request's option (json, form, upload, content), its value, and the Content-Type
        if the option does not set it.
    """
    made = [_body(kind, as_dict(content[kind]), document, where) for kind in content]
    order = ("json", "form", "upload", "content")
    complete = [each for each in made if not blanks(each[1])]
    return min(complete or made, key=lambda each: order.index(each[0]))


def _body(kind: str, media: Part, document: Document, where: str) -> tuple[str, Any, str | None]:
    name = essence(kind)
    unknown = Blank(f"{where} ({kind})")
    if is_json(kind) or name in ("*/*", "application/*"):
        value = given_or_fitting(media, document, where)
        # A parameter such as "version=2" may select what the service expects.
        is_plain = kind.strip().lower() == "application/json" or "*" in name
        own = None if is_plain else kind
        # null has to be sent as such: the option `json` leaves it out
        return ("content", Source('b"null"'), kind) if value is None else ("json", value, own)
    if name == _FORM:
        value = given_or_fitting(media, document, where)
        fields = {k: _field(v) for k, v in value.items()} if isinstance(value, dict) else value
        return "form", fields if isinstance(fields, dict | Blank) else unknown, None
    if name == _MULTIPART:
        return "upload", _upload(media, document, where), None
    return "content", _content(kind, media, document, where), kind


def _content(kind: str, media: Part, document: Document, where: str) -> Source | Blank:
    """A body of lines of JSON, or of text; a blank for others, such as binary ones."""
    if not _LINES.fullmatch(essence(kind)):
        given = given_or_fitting(media, document, where)
        is_text = essence(kind).startswith("text/") or "example" in media or "examples" in media
        if isinstance(given, str) and is_text:
            return Source(repr(given.encode(errors="replace")))
        return Blank(f"{where} ({kind})")
    item = media["itemSchema"] if "itemSchema" in media else media.get("schema", {})
    value = given_or_fitting({**media, "schema": item}, document, where)
    if blanks(value):
        return blanks(value)[0]
    if isinstance(value, str):
        return Source(repr(value.encode(errors="replace")))
    return Source(repr(_lines(value if isinstance(value, list) else [value])))


def _lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def _field(value: Any) -> Any:  # noqa: ANN401  any JSON
    """A form field as text."""
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return [_field(item) for item in value]
    if isinstance(value, str | int | float | Blank) and not isinstance(value, bool):
        return value
    return "" if value is None else json.dumps(value, default=repr)


def _upload(media: Part, document: Document, where: str) -> Any:  # noqa: ANN401
    """An upload without files; a blank for a file, whose content the document cannot give."""
    schema = flattened(media.get("schema", {}), document)
    properties = as_dict(schema.get("properties"))
    for name in as_list(schema.get("required")):
        part = flattened(properties.get(str(name), {}), document)
        rows = flattened(part.get("items", {}), document)
        if _is_file(part) or (object_type(part) == "array" and _is_file(rows)):
            return Blank(f"{where}: the file {name}")
    value = given_or_fitting(media, document, where)
    if blanks(value) or not isinstance(value, dict):
        return blanks(value)[0] if blanks(value) else Blank(where)
    fields = {name: str(_field(item)) for name, item in value.items()}
    return Source(f"Upload({fields!r}, {{}})")


def _is_file(schema: Part) -> bool:
    return schema.get("format") == "binary" or (
        "contentMediaType" in schema and "contentEncoding" not in schema
    )
