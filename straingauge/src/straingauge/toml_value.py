"""Types of values in TOML files, each a check together with its JSON Schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

Schema = Mapping[str, Any]
Value = TypeVar("Value")

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
REQUIRED: Final = object()
"""Default of a setting without which a table is not valid."""


class SettingError(ValueError):
    """A wrong value inside a table or a list.

    Attributes:
        place: Where it is in the table, such as "prepare[0].name".
        what: What is wrong, such as "must be a string".
    """

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place} {what}")
        self.place = place
        self.what = what


@dataclass(frozen=True, slots=True)
class ValueType(Generic[Value]):
    """A type of values.

    Attributes:
        convert: Returns the meaning of a value; raises TypeError or ValueError, with a message such
            as "must be a string", if it is not of the type.
        schema: The JSON Schema of the values that it accepts.
    """

    convert: Callable[[Any], Value]
    schema: Schema

    def __call__(self, value: object) -> Value:
        """Return the meaning of a value, as `convert` does."""
        return self.convert(value)


def value_type(schema: Schema) -> Callable[[Callable[[Any], Value]], ValueType[Value]]:
    """Make a type of the function that checks its values."""
    return lambda convert: ValueType(convert, schema)


@value_type({"type": "string"})
def text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise TypeError("must be a string")
    return value


@value_type({"type": "boolean"})
def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a table.

    Attributes:
        type: The type of its value.
        description: Its meaning, as editors show it.
        default: Its value if the key is missing.
    """

    type: ValueType[Any]
    description: str
    default: Any = REQUIRED

    @property
    def schema(self) -> Schema:
        """The JSON Schema of the value, with description and default."""
        has_default = isinstance(self.default, str | int) and self.default != ""
        default = {"default": self.default} if has_default else {}
        return {**self.type.schema, "description": self.description, **default}


def table_type(settings: Mapping[str, Setting]) -> ValueType[dict[str, Any]]:
    """The type of a table with these keys and no others: a misspelt key would be ignored."""

    def convert(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TypeError("must be a table")
        for key in value:
            if key not in settings:
                raise SettingError(key, "is not a setting")
        return {key: _value_in(value, key, setting) for key, setting in settings.items()}

    schema = object_schema(
        {key: each.schema for key, each in settings.items()},
        required=[key for key, each in settings.items() if each.default is REQUIRED],
    )
    return ValueType(convert, schema)


def list_type(items: ValueType[Value], of: str) -> ValueType[tuple[Value, ...]]:
    """The type of a list of values; `of` describes it in messages, such as "a list of tables"."""

    def convert(value: object) -> tuple[Value, ...]:
        if not isinstance(value, list):
            raise TypeError(f"must be {of}")
        found = []
        for number, item in enumerate(value):
            try:
                found.append(items(item))
            except SettingError as error:
                raise SettingError(f"[{number}].{error.place}", error.what) from error
            except (TypeError, ValueError) as error:
                raise TypeError(f"must be {of}") from error
        return tuple(found)

    return ValueType(convert, {"type": "array", "items": items.schema})


def object_schema(properties: Mapping[str, Schema], *, required: list[str]) -> Schema:
    """The JSON Schema of a table that has no other keys."""
    return {
        "type": "object",
        "properties": dict(properties),
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _value_in(values: Mapping[str, Any], key: str, setting: Setting) -> Any:  # noqa: ANN401  as its type says
    if key not in values:
        if setting.default is REQUIRED:
            raise SettingError(key, "is missing")
        return setting.default
    try:
        return setting.type(values[key])
    except SettingError as error:
        separator = "" if error.place.startswith("[") else "."
        raise SettingError(f"{key}{separator}{error.place}", error.what) from error
    except (TypeError, ValueError) as error:
        raise SettingError(key, str(error)) from error
