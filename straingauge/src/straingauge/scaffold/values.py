"""Values that fit a schema: its own example, else the simplest value, else a blank."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from straingauge.errors import UsageError
from straingauge.scaffold.document import Document, Part, as_dict, as_list
from straingauge.scaffold.schema import fits, flattened, object_type

_DEEPEST: Final = 8  # schemas may contain themselves
_MAX_VALUES: Final = 1_000  # of one body: more is no draft that a person edits
_MAX_CHARACTERS: Final = 20_000  # of one body, as JSON
_MISSING: Final = object()
_BY_FORMAT: Final[Mapping[str, str]] = {
    "byte": "dGV4dA==",
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "duration": "PT1M",
    "email": "user@example.com",
    "hostname": "example.com",
    "idn-email": "user@example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


@dataclass(frozen=True, slots=True)
class Blank:
    """A value that only the owner of the suite knows; in the source, a call that raises.

    Attributes:
        what: A description of the value.
    """

    what: str

    def __repr__(self) -> str:
        return f"fill_in({json.dumps(self.what[:200])})"


@dataclass(frozen=True, slots=True)
class Source:
    """A value that the suite computes.

    Attributes:
        code: A Python expression.
    """

    code: str

    def __repr__(self) -> str:
        return self.code


class _TooLarge(Exception):
    """The value would have too many parts."""


def blanks(value: object) -> list[Blank]:
    """All blanks in a value."""
    if isinstance(value, Blank):
        return [value]
    inside: Any = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return []
    return [blank for item in inside for blank in blanks(item)]


def example(holder: Part, document: Document) -> Any:  # noqa: ANN401  any JSON
    """The example of a parameter, a media type or a schema; None if there is none."""
    if holder.get("example") is not None:
        return holder["example"]
    examples = holder.get("examples")
    if isinstance(examples, list) and examples:  # of a schema
        return examples[0]
    for each in as_dict(examples).values():  # of a parameter or media type
        found = as_dict(document.resolved(each))
        value = found.get("value", found.get("dataValue"))
        if value is not None:
            return value
    return None


def named_value(schema: Part, document: Document) -> Any:  # noqa: ANN401  any JSON
    """A value that the schema names: example, const, default or enum; None if there is none."""
    given = example(schema, document)
    named = (given, schema.get("const"), schema.get("default"), *as_list(schema.get("enum")))
    fitting_ones = (value for value in named if value is not None)
    return next((each for each in fitting_ones if fits(each, schema, document) is not False), None)


def usable(value: object, where: str) -> Any:  # noqa: ANN401  any JSON
    """The value, or a blank if it is too large for a draft."""
    if not isinstance(value, Blank) and len(json.dumps(value, default=str)) > _MAX_CHARACTERS:
        return Blank(f"{where} (too large for a draft)")
    return value


def given_or_fitting(holder: Part, document: Document, where: str) -> Any:  # noqa: ANN401
    """Value of a parameter or media type: its example if it fits, else one for its schema.

    Args:
        holder: What has the schema.
        document: The document, for references.
        where: Description of the value, for blanks.
    """
    schema = holder.get("schema", {})
    given = example(holder, document)
    if given is not None and fits(given, schema, document) is not False:
        return usable(given, where)
    return fitting(schema, document, where)


def fitting(schema: Any, document: Document, where: str) -> Any:  # noqa: ANN401
    """Create a value that fits a schema.

    Args:
        schema: As in the document.
        document: The document, for references.
        where: Description of the value, for blanks.
    """
    try:
        value = _Maker(document).make(schema, where, 0, frozenset())
    except _TooLarge:
        return Blank(f"{where} (too large for a draft)")
    except UsageError as error:
        return Blank(f"{where} ({error})")
    if blanks(value) or fits(value, schema, document):
        return usable(value, where)
    return Blank(where)


class _Maker:
    """Creates one value, and counts its parts."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._made = 0

    def make(self, schema: Any, where: str, depth: int, chosen: frozenset[int]) -> Any:  # noqa: ANN401
        """Create a value.

        Args:
            schema: As in the document.
            where: Description of the value.
            depth: Depth of the schema in others.
            chosen: Identities of the `oneOf` and `anyOf` that led here; a subtype repeats the
                choice of the type that it extends.
        """
        self._made += 1
        if self._made > _MAX_VALUES:
            raise _TooLarge
        own = _name_of(schema)
        holder = as_dict(self._document.resolved(schema))
        schema = flattened(schema, self._document)
        if not schema or depth > _DEEPEST:
            return Blank(where)
        given = named_value(schema, self._document)
        if given is not None:
            return given
        for keyword in ("oneOf", "anyOf"):
            options = schema.get(keyword)
            if isinstance(options, list) and options and id(options) not in chosen:
                return self._choose(schema, keyword, where, depth, chosen | {id(options)})
        subtype = None if id(schema) in chosen else self._subtype(holder, own)
        if subtype is not None:
            return self.make(subtype, where, depth + 1, chosen | {id(schema)})
        value = self._by_type(schema, where, depth)
        return self._with_own_name(value, schema, own) if isinstance(value, dict) else value

    def _choose(
        self, schema: Part, keyword: str, where: str, depth: int, chosen: frozenset[int]
    ) -> Any:  # noqa: ANN401
        """A value for the first option that needs no blank, else for the first."""
        beside = {key: value for key, value in schema.items() if key != keyword}
        first: Any = _MISSING
        for option in schema[keyword]:
            if as_dict(self._document.resolved(option)).get("type") == "null":
                continue
            value = self.make({"allOf": [beside, option]}, where, depth + 1, chosen)
            if isinstance(value, dict):
                value = self._with_discriminator(value, schema, option)
            if not blanks(value):
                return value
            first = value if first is _MISSING else first
        return None if first is _MISSING else first

    def _with_discriminator(self, value: dict[str, Any], schema: Part, option: Any) -> Any:  # noqa: ANN401
        """Name the option in the discriminator's property (OpenAPI, Discriminator Object)."""
        name, mapping = _discriminator(schema)
        own = _name_of(option)
        return {**value, name: mapping.get(own, own)} if name and own else value

    def _with_own_name(self, value: dict[str, Any], schema: Part, own: str) -> dict[str, Any]:
        """Name a schema in the discriminator that it has of the type that it extends."""
        name, mapping = _discriminator(schema)
        if not (own and name in value):
            return value
        named = mapping.get(own, own)
        kind = as_dict(schema.get("properties")).get(name, {})
        return value if fits(named, kind, self._document) is False else {**value, name: named}

    def _subtype(self, holder: Part, own: str) -> Any:  # noqa: ANN401  any JSON
        """A schema that extends the one with a discriminator; None if there is none.

        Args:
            holder: The schema as the document has it: those that extend it have the discriminator
                as a part of `allOf`.
            own: Its name.
        """
        name, mapping = _discriminator(holder)
        if not (name and own):
            return None
        schemas = as_dict(as_dict(self._document.content.get("components")).get("schemas"))
        extending = (
            each
            for each, schema in schemas.items()
            if any(_name_of(part) == own for part in as_list(as_dict(schema).get("allOf")))
        )
        names = (each for each in (*mapping, *extending) if each != own and each in schemas)
        found = next(names, None)
        return None if found is None else {"$ref": f"#/components/schemas/{_escaped(found)}"}

    def _by_type(self, schema: Part, where: str, depth: int) -> Any:  # noqa: ANN401
        kind = object_type(schema)
        if kind == "object":
            known = as_dict(schema.get("properties"))
            needed = [name for name in as_list(schema.get("required")) if isinstance(name, str)]
            return {
                name: self.make(known.get(name, {}), f"{where}: {name}", depth + 1, frozenset())
                for name in needed
                if not self._is_read_only(known.get(name))
            }
        if kind == "array":
            count = _size(schema.get("minItems"))
            first = as_list(schema.get("prefixItems"))
            parts = [first[n] if n < len(first) else schema.get("items", {}) for n in range(count)]
            return [self.make(part, where, depth + 1, frozenset()) for part in parts]
        make = _MAKERS.get(str(kind))
        return make(schema, where) if make else Blank(where)

    def _is_read_only(self, schema: Any) -> bool:  # noqa: ANN401  any JSON
        return flattened(schema, self._document).get("readOnly") is True


def _name_of(schema: Any) -> str:  # noqa: ANN401  any JSON
    """Name of the schema that a reference leads to; empty if it is none."""
    reference = as_dict(schema).get("$ref")
    return reference.rpartition("/")[2] if isinstance(reference, str) else ""


def _discriminator(schema: Part) -> tuple[str, dict[str, str]]:
    """The property that tells the type, and its value by the name of each type in the mapping."""
    discriminator = as_dict(schema.get("discriminator"))
    name, mapping = discriminator.get("propertyName"), as_dict(discriminator.get("mapping"))
    known: dict[str, str] = {}
    for value, target in mapping.items():
        known.setdefault(str(target).rpartition("/")[2], value)
    return (name if isinstance(name, str) else ""), known


def _escaped(name: str) -> str:
    """A name as a part of a JSON pointer in a URI fragment (RFC 6901)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


def _size(value: object) -> int:
    """A number of parts; raises _TooLarge if a draft cannot have it."""
    size = value if isinstance(value, int) else 0
    if size > _MAX_VALUES:
        raise _TooLarge
    return max(size, 0)


def _string(schema: Part, where: str) -> str | Blank:
    kind = str(schema.get("format") or "")
    known = _BY_FORMAT.get(kind)
    if known is not None:
        return known
    if schema.get("pattern") or kind == "binary" or schema.get("contentMediaType"):
        return Blank(where)
    text = "text" * (1 + _size(schema.get("minLength")) // 4)
    most = schema.get("maxLength")
    return text[: max(most, 0)] if isinstance(most, int) else text


def _number(schema: Part, where: str) -> Any:  # noqa: ANN401  int or float
    names = ("multipleOf", "minimum", "maximum")
    step, least, most = (
        value if isinstance(value, int | float) and not isinstance(value, bool) else None
        for value in map(schema.get, names)
    )
    step = step if step and step > 0 else 1
    # OpenAPI 3.0 has a flag here, 3.1 a number.
    above = schema.get("exclusiveMinimum")
    if above is True and least is not None:
        least += step
    elif isinstance(above, int | float) and not isinstance(above, bool):
        least = above + step
    try:
        value = step if least is None else max(step, -(-least // step) * step)
    except (OverflowError, ValueError):
        return Blank(where)
    return value if most is None or value <= most else most


def _boolean(*_: object) -> bool:
    return False


def _null(*_: object) -> None:
    return None


_MAKERS: Final[Mapping[str, Callable[[Part, str], Any]]] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}
