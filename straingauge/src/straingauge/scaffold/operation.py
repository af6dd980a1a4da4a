"""Operations of a service, each with the values that a request needs."""

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.scaffold.document import Document, Part
from straingauge.scaffold.values import Blank, blanks, example, fitting, flattened, named_value

READS: Final = ("get", "head")
_PARAMETER: Final = re.compile(r"\{([^}]+)\}")
_MOST_FIELDS: Final = 5  # enough to notice a wrong response
_ROWS: Final = ("items", "results", "data", "rows")
_TAKEN: Final = frozenset(
    ("account", "base64", "endpoints", "fields", "fill_in", "journey", "log_in", "mix", "os")
).union(("setting", "some", "verify"))


@dataclass(frozen=True, slots=True)
class Rows:
    """A list that contains the value of a path parameter.

    Attributes:
        path, params: Request of the list.
        inside: Name of the array in the response; None if the response is the array.
        key: Field of a row that has the value.
    """

    path: str
    params: Mapping[str, Any]
    inside: str | None
    key: str


@dataclass(slots=True)
class Operation:
    """An operation of a service.

    Attributes:
        function: Name of the journey.
        method, path: As in the document.
        summary: As in the document; may be empty.
        expect: Statuses that mean success.
        fields: Required fields of the response, or of each of its rows.
        in_path: Values of the path parameters.
        rows: The list in which the last of them is looked up, if any.
        params, headers: Required ones.
        body: Name of the option (json, form) and the value; None without a body.
        needs_log_in: Whether it requires credentials.
        endless: Whether its response is an event stream.
    """

    function: str
    method: str
    path: str
    summary: str
    expect: Sequence[int]
    fields: Sequence[str] = ()
    in_path: dict[str, Any] = field(default_factory=dict)
    rows: Rows | None = None
    params: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    body: tuple[str, Any] | None = None
    needs_log_in: bool = False
    endless: bool = False

    @property
    def name(self) -> str:
        """Name of the endpoint."""
        return f"{self.method.upper()} {self.path}"

    @property
    def reads(self) -> bool:
        """True if it does not change data."""
        return self.method in READS

    @property
    def blanks(self) -> list[Blank]:
        """Values that have to be filled in."""
        values = (self.in_path, self.params, self.headers, self.body[1] if self.body else None)
        return [blank for value in values for blank in blanks(value)]


def operations(document: Document) -> list[Operation]:
    """All operations of a document."""
    lists = dict(_lists(document))
    made: list[Operation] = []
    for path, method, content in document.operations():
        function = _function(_operation_id(content, method, path), made)
        made.append(_operation(document, (path, method, content), function, lists))
    return made


def _operation(
    document: Document,
    found: tuple[str, str, Part],
    function: str,
    lists: dict[str, Part],
) -> Operation:
    path, method, content = found
    words = content.get("summary") or content.get("description") or ""
    expect, answer = _answer(document, content)
    made = Operation(function, method, path, " ".join(str(words).split()), expect)
    made.endless = "text/event-stream" in answer
    made.fields = _fields(document, _schema(answer))
    made.needs_log_in = _needs_log_in(document, content)
    known = [document.resolved(each) for each in content["parameters"]]
    for parameter in known:
        _take_parameter(made, parameter, document)
    for name in _PARAMETER.findall(path):
        made.in_path.setdefault(name, Blank(f"{name} of {made.name}"))
    made.rows = _rows_for(made, lists)
    if made.rows is not None:
        made.in_path.clear()
    _take_body(made, document.resolved(content.get("requestBody", {})), document)
    return made


def _take_parameter(made: Operation, parameter: Part, document: Document) -> None:
    name, place = parameter["name"], parameter["in"]
    if place != "path" and not parameter.get("required"):
        return
    where = f"{name} of {made.name}"
    value = example(parameter, document)
    if value is None:
        schema = document.resolved(parameter.get("schema", {}))
        # A number that fits the schema of an id is not an existing id.
        value = (
            named_value(schema, document) if place == "path" else fitting(schema, document, where)
        )
        value = Blank(where) if value is None else value
    if place == "cookie":
        place, name, value = "header", "Cookie", f"{name}={value}"
    target = {"path": made.in_path, "query": made.params, "header": made.headers}[place]
    target[name] = str(value) if place == "header" and not isinstance(value, Blank) else value


def _take_body(made: Operation, body: Part, document: Document) -> None:
    content = body.get("content", {})
    if not content:
        return
    for kind, option in (("json", "json"), ("x-www-form-urlencoded", "form")):
        media = next((content[each] for each in content if kind in each), None)
        if media is not None:
            given = example(media, document)
            where = f"the body of {made.name}"
            value = fitting(media.get("schema", {}), document, where) if given is None else given
            made.body = option, value
            return
    made.body = "content", Blank(f"the body of {made.name} ({', '.join(content)})")


def _answer(document: Document, content: Part) -> tuple[list[int], Part]:
    """Statuses that mean success, and the content of the first of them by media type."""
    responses = content.get("responses", {})
    good = sorted(status for status in map(str, responses) if re.fullmatch(r"[23]\d\d", status))
    successes = [status for status in good if status.startswith("2")] or good
    if not successes:
        return [200], {}
    answer = document.resolved(responses[successes[0]])
    return [int(status) for status in successes], answer.get("content", {})


def _schema(answer: Part) -> Part:
    media: Part = next((answer[kind] for kind in answer if "json" in kind), {})
    schema: Part = media.get("schema", {})
    return schema


def _fields(document: Document, schema: Part) -> Sequence[str]:
    """Required fields of a response, or of its rows, by its schema."""
    schema = flattened(schema, document)
    if schema.get("type") == "array":
        schema = flattened(schema.get("items", {}), document)
    return tuple(schema.get("required", ()))[:_MOST_FIELDS] if "properties" in schema else ()


def _needs_log_in(document: Document, content: Part) -> bool:
    asked = content.get("security", document.content.get("security", []))
    return bool(asked) and {} not in asked  # an empty one makes the others optional


def _lists(document: Document) -> Iterator[tuple[str, Part]]:
    """Paths that list rows and can be requested with known values."""
    for path, method, content in document.operations():
        asking = Operation("", method, path, "", ())
        for each in content["parameters"]:
            _take_parameter(asking, document.resolved(each), document)
        rows = _resolved_rows(document, _answer(document, content)[1])
        if method == "get" and rows and not (asking.blanks or asking.in_path or asking.headers):
            inside, row = rows
            found = {"path": path, "params": asking.params, "inside": inside, "row": row}
            yield path.rstrip("/"), found


def _resolved_rows(document: Document, answer: Part) -> tuple[str | None, Part] | None:
    """Name of the array in a response, and the schema of its rows; None if there is none."""
    schema = flattened(_schema(answer), document)
    inside = None
    if schema.get("type") != "array":
        known = schema.get("properties", {})
        arrays = [n for n in known if flattened(known[n], document).get("type") == "array"]
        inside = next((n for n in arrays if n in _ROWS or len(arrays) == 1), None)
        if inside is None:
            return None
        schema = flattened(known[inside], document)
    return inside, flattened(schema.get("items", {}), document)


def _rows_for(made: Operation, lists: dict[str, Part]) -> Rows | None:
    """The list that has the value of a path's only parameter, if the value is unknown."""
    if len(made.in_path) != 1:
        return None
    ((name, value),) = made.in_path.items()
    found = lists.get(made.path.partition(f"/{{{name}}}")[0].rstrip("/"))
    if not isinstance(value, Blank) or found is None:
        return None
    known = found["row"].get("properties", {})
    key = next((key for key in (name, "id", name.rpartition("_")[2]) if key in known), None)
    return Rows(found["path"], found["params"], found["inside"], key) if key else None


def _operation_id(content: Part, method: str, path: str) -> str:
    """Name of an operation, without the path and method that FastAPI appends."""
    name = str(content.get("operationId") or f"{method} {path}")
    return name.removesuffix(re.sub(r"\W", "_", path) + f"_{method}") or name


def _function(words: str, made: Sequence[Operation]) -> str:
    """A function name that no other journey has."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words)
    name = re.sub(r"\W+", "_", spaced, flags=re.ASCII).strip("_").lower() or "request"
    if name[0].isdigit() or keyword.iskeyword(name) or name in _TAKEN:
        name = f"call_{name}"
    taken = {each.function for each in made}
    numbers = (f"{name}_{number}" for number in range(2, len(made) + 3))
    return next(each for each in (name, *numbers) if each not in taken)
