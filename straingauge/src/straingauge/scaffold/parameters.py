"""Parameters as they are sent (OpenAPI, Parameter Object: style and explode)."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from straingauge.scaffold.document import Document, Part, as_dict
from straingauge.scaffold.media import is_json
from straingauge.scaffold.schema import flattened
from straingauge.scaffold.values import (
    Blank,
    blanks,
    example,
    given_or_fitting,
    named_value,
    usable,
)

IGNORED_HEADERS: Final = frozenset(("accept", "content-type", "authorization"))
"""Header parameters without a meaning: other parts of the document describe them."""
SET_BY_CLIENT: Final = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer")
)
"""Headers that follow from request and connection."""
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_SEPARATORS: Final = {"spaceDelimited": " ", "pipeDelimited": "|"}


def value_of(parameter: Part, document: Document, where: str) -> Any:  # noqa: ANN401
    """Value of a parameter; a blank if it is unknown.

    A number that fits the schema of an id is not an existing id, so a value in the path comes from
    an example, an enumeration or a default only.
    """
    media = next(iter(as_dict(parameter.get("content")).values()), None)
    if media is not None:
        value = given_or_fitting(as_dict(media), document, where)
    elif parameter["in"] == "path":
        given = example(parameter, document)
        schema = flattened(parameter.get("schema", {}), document)
        value = usable(named_value(schema, document) if given is None else given, where)
        value = Blank(where) if value is None else value
    else:
        value = given_or_fitting(parameter, document, where)
    return blanks(value)[0] if blanks(value) else value


def in_query(parameter: Part, value: object) -> dict[str, Any]:
    """The `params` of a query parameter.

    Args:
        parameter: As in the document.
        value: JSON without blanks.
    """
    name, style = str(parameter["name"]), str(parameter.get("style") or "form")
    content = as_dict(parameter.get("content"))
    if parameter["in"] == "querystring":
        if not isinstance(value, dict) or "application/x-www-form-urlencoded" not in content:
            return {name: Blank(f"the query string {name}")}
        style, explode = "form", True
    else:
        explode = bool(parameter.get("explode", style == "form"))
    if content and parameter["in"] == "query":
        return {name: json.dumps(value) if is_json(next(iter(content))) else _items(value)}
    if isinstance(value, dict) and style == "deepObject":
        return dict(_nested(name, value))
    if isinstance(value, dict) and explode:
        return {key: _items(item) for key, item in value.items()}
    if explode:
        return {name: _items(value)}
    return {name: _SEPARATORS.get(style, ",").join(_flat(value, explode=False))}


def in_path(parameter: Part, value: object) -> str | Blank:
    """The percent-encoded text of a path parameter."""
    name, style = str(parameter["name"]), parameter.get("style", "simple")
    explode = parameter.get("explode") is True
    parts = [
        quote(part, safe="=" if explode and isinstance(value, dict) else "")
        for part in _flat(value, explode=explode)
    ]
    if not any(parts):
        return Blank(f"{name} in the path")
    if style == "label":
        return "." + ("." if explode else ",").join(parts)
    if style == "matrix" and isinstance(value, dict) and explode:
        return ";" + ";".join(parts)
    if style == "matrix":
        joined = f";{name}=".join(parts) if explode else ",".join(parts)
        return f";{name}={joined}"
    return ",".join(parts)


def in_header(parameter: Part, value: object) -> str | Blank:
    """The text of a header or cookie; a blank if it cannot be sent."""
    name = str(parameter["name"])
    if as_dict(parameter.get("content")):
        text = json.dumps(value)
    else:
        text = ",".join(_flat(value, explode=parameter.get("explode") is True))
    if not _TOKEN.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
        return Blank(f"{parameter['in']} {name} (it cannot be sent as it is)")
    return text


def is_sent(parameter: Part) -> bool:
    """True if the parameter is sent: it is required, and not a header that the client sets."""
    if parameter["in"] == "path":
        return True
    if parameter["in"] == "header":
        name = str(parameter["name"]).lower()
        if name in IGNORED_HEADERS | SET_BY_CLIENT:
            return False
    return parameter.get("required") is True


def parameters_of(content: Part, document: Document) -> Sequence[Part]:
    """Parameters of an operation, resolved; its own ones override those of its path."""
    known: dict[tuple[str, str], Part] = {}
    for each in content["parameters"]:
        parameter = as_dict(document.resolved(each))
        if isinstance(parameter.get("name"), str) and isinstance(parameter.get("in"), str):
            known[parameter["in"], parameter["name"]] = parameter
    return [*known.values()]


def _flat(value: object, *, explode: bool) -> list[str]:
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, dict):
        if explode:
            return [f"{_text(key)}={_text(item)}" for key, item in value.items()]
        return [_text(each) for pair in value.items() for each in pair]
    return [_text(value)]


def _nested(name: str, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the properties of an object and of those in it, as `name[outer][inner]`.

    OpenAPI leaves the inner ones open; servers that read this style read them so.
    """
    for key, item in value.items():
        inner = f"{name}[{key}]"
        if isinstance(item, dict):
            yield from _nested(inner, item)
        else:
            yield inner, _items(item)


def _items(value: object) -> Any:  # noqa: ANN401  a value of `params`
    if isinstance(value, list):
        return [_items(item) for item in value]
    return _text(value) if isinstance(value, bool | dict) or value is None else value


def _text(value: object) -> str:
    """A value as JSON writes it, strings without quotes."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
