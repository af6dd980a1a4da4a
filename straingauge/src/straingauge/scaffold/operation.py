"""Operations of a service, each with the values that a request needs."""

import builtins
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.scaffold.document import Document, Found, Part, as_dict
from straingauge.scaffold.media import body_of
from straingauge.scaffold.parameters import (
    in_header,
    in_path,
    in_query,
    is_sent,
    parameters_of,
    value_of,
)
from straingauge.scaffold.responses import SuccessResponse, rows_of, success_response
from straingauge.scaffold.values import Blank, blanks

READS: Final = ("get", "head", "query")
PARAMETER: Final = re.compile(r"\{([^}]+)\}")
_LONGEST_NAME: Final = 60
_TAKEN: Final = frozenset(dir(builtins)).union(
    ("account", "base64", "endpoints", "fields", "fill_in", "journey", "log_in", "mix", "os"),
    ("setting", "some", "verify", "segment", "quote", "upload", "user", "response", "row", "item"),
    ("made", "usageerror", "urllib", "nothing_to_send", "basic", "tear_down", "scenarios"),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """A list that contains the value of a path parameter.

    Attributes:
        path, params, headers: Request of the list.
        inside: Name of the array in the response; None if the response is the array.
        key: Field of a row that has the value.
        expect: Statuses of the list that mean success.
    """

    path: str
    params: Mapping[str, Any]
    headers: Mapping[str, Any]
    inside: str | None
    key: str
    expect: Sequence[int]


@dataclass(slots=True)
class Operation:
    """An operation of a service.

    Attributes:
        function: Name of the journey.
        method, path: As in the document.
        summary: As in the document; may be empty.
        operation_id: As in the document; may be empty.
        success: Statuses that mean success, and their content.
        in_path: Values of the path parameters, percent-encoded.
        rows: The list in which the last of them is looked up, if any.
        origin: The operation that creates what this one changes, if any; and the field of its
            response that has the value of the path parameter.
        params, headers: Required ones.
        body: Name of the option (json, form, upload, content) and the value; None without a body.
        security: Alternatives, each a set of schemes by name with their scopes.
        problem: A part of the document that makes it unusable; empty if there is none.
    """

    function: str
    method: str
    path: str
    summary: str = ""
    operation_id: str = ""
    success: SuccessResponse = field(default_factory=SuccessResponse)
    in_path: dict[str, Any] = field(default_factory=dict)
    rows: Rows | None = None
    origin: "tuple[Operation, str] | None" = None
    params: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    body: tuple[str, Any] | None = None
    security: Sequence[Mapping[str, Sequence[str]]] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """Name of the endpoint."""
        return f"{self.method.upper()} {self.path}"

    @property
    def reads(self) -> bool:
        """True if its method does not change data."""
        return self.method in READS

    @property
    def needs_log_in(self) -> bool:
        """True if it requires credentials."""
        return bool(self.security) and {} not in self.security  # that makes the others optional

    @property
    def blanks(self) -> list[Blank]:
        """Values that have to be filled in."""
        values = (self.in_path, self.params, self.headers, self.body[1] if self.body else None)
        return [blank for value in values for blank in blanks(value)]


def operations(document: Document) -> list[Operation]:
    """All operations of a document."""
    lists = dict(_lists(document))
    made: list[Operation] = []
    names: set[str] = set()
    for found in document.operations():
        function = _function(_operation_id(found), names)
        names.add(function)
        try:
            made.append(_operation(document, found, function, lists))
        except UsageError as error:
            made.append(Operation(function, found.method, found.path, problem=str(error)))
    return made


def _operation(
    document: Document, found: Found, function: str, lists: dict[str, Part]
) -> Operation:
    content = found.content
    made = Operation(function, found.method, found.path, problem=found.problem)
    if found.problem:
        return made
    words = content.get("summary") or content.get("description") or ""
    made.summary = " ".join(str(words).split())
    made.operation_id = _operation_id(found) if content.get("operationId") else ""
    made.success = success_response(document, content, found.method)
    if made.success.accept:
        made.headers["Accept"] = made.success.accept
    made.security = _security(document, content)
    for parameter in parameters_of(content, document):
        _take_parameter(made, parameter, document)
    for name in PARAMETER.findall(found.path):
        made.in_path.setdefault(name, Blank(f"{name} of {made.name}"))
    made.rows = _rows_for(made, lists)
    if made.rows is not None:
        made.in_path.clear()
    body = as_dict(document.resolved(content.get("requestBody")))
    if as_dict(body.get("content")):
        where = f"the body of {made.name}"
        option, value, kind = body_of(as_dict(body["content"]), document, where)
        made.body = option, value
        if kind is not None:
            made.headers["Content-Type"] = kind
    return made


def _take_parameter(made: Operation, parameter: Part, document: Document) -> None:
    if not is_sent(parameter):
        return
    name, place = str(parameter["name"]), parameter["in"]
    if place == "path" and name not in PARAMETER.findall(made.path):
        return  # left over from another path
    value = value_of(parameter, document, f"{name} of {made.name}")
    unknown = isinstance(value, Blank)
    if place == "path":
        made.in_path[name] = value if unknown else in_path(parameter, value)
    elif place in ("query", "querystring"):
        made.params |= {name: value} if unknown else in_query(parameter, value)
    elif place == "header":
        made.headers[name] = value if unknown else in_header(parameter, value)
    elif place == "cookie":
        text = value if unknown else in_header(parameter, value)
        known = made.headers.get("Cookie", "")
        both = f"{known}; {name}={text}".removeprefix("; ")
        is_known = isinstance(text, str) and isinstance(known, str)
        made.headers["Cookie"] = both if is_known else Blank(f"cookie {name} of {made.name}")


def _security(document: Document, content: Part) -> Sequence[Mapping[str, Sequence[str]]]:
    asked = content.get("security", document.content.get("security"))
    return [each for each in asked if isinstance(each, dict)] if isinstance(asked, list) else ()


def _lists(document: Document) -> Iterator[tuple[str, Part]]:
    """Paths that list rows and can be requested with known values."""
    for found in document.operations():
        if found.method != "get" or found.problem:
            continue
        asking = Operation("", found.method, found.path)
        try:
            for each in parameters_of(found.content, document):
                _take_parameter(asking, each, document)
            success = success_response(document, found.content, "get")
            if success.accept:
                asking.headers["Accept"] = success.accept
            rows = rows_of(document, success)
        except UsageError:
            continue  # `operations` reports it
        if rows and not (asking.blanks or asking.in_path or PARAMETER.search(found.path)):
            inside, row = rows
            made = {"path": found.path, "params": asking.params, "headers": asking.headers}
            own = {"inside": inside, "row": row, "expect": success.expect}
            yield found.path.rstrip("/"), {**made, **own}


def _rows_for(made: Operation, lists: dict[str, Part]) -> Rows | None:
    """The list that has the value of a path's only parameter, if the value is unknown."""
    if len(made.in_path) != 1:
        return None
    ((name, value),) = made.in_path.items()
    found = lists.get(made.path.partition(f"/{{{name}}}")[0].rstrip("/"))
    if not isinstance(value, Blank) or found is None or f"/{{{name}}}" not in made.path:
        return None
    key = key_of(name, as_dict(found["row"].get("properties")))
    if key is None:
        return None
    asked = (found["path"], found["params"], found["headers"])
    return Rows(*asked, found["inside"], key, found["expect"])


def key_of(name: str, properties: Part) -> str | None:
    """The property that has the value of a path parameter."""
    names = (name, "id", re.split(r"[_-]", name)[-1])
    return next((key for key in names if key in properties), None)


def _operation_id(found: Found) -> str:
    """Name of an operation, without the path and method that FastAPI appends."""
    method, path = found.method, found.path
    name = str(found.content.get("operationId") or f"{method} {path}")
    return name.removesuffix(re.sub(r"\W", "_", path) + f"_{method}") or name


def _function(words: str, names: set[str]) -> str:
    """A function name that no other journey has, and that shadows no other name."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words)
    name = re.sub(r"\W+", "_", spaced, flags=re.ASCII).strip("_").lower()[:_LONGEST_NAME]
    name = name.strip("_") or "request"
    if name[0].isdigit() or keyword.iskeyword(name) or name in _TAKEN:
        name = f"call_{name}"
    numbers = (f"{name}_{number}" for number in range(2, len(names) + 3))
    return next(each for each in (name, *numbers) if each not in names)
