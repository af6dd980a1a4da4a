"""The settings of a straingauge.toml: their types, defaults and meanings."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from straingauge.http.setting_types import http_schema
from straingauge.observe.metric_names import MetricNames
from straingauge.toml_value import (
    Setting,
    SettingError,
    ValueType,
    flag,
    list_type,
    object_schema,
    table_type,
    text,
    value_type,
)

KNOWN: Final = ("app", "database_address", "database_url", "folder", "port", "python", "workers")
PLACEHOLDER: Final = re.compile(rf"\{{({'|'.join(KNOWN)})\}}")
_ANY_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_TEMPLATE: Final = {
    "type": "string",
    "pattern": rf"^(?![\s\S]*\{{(?!(?:{'|'.join(KNOWN)})\}})\w+\}})",
}


@value_type({"type": "string", "pattern": "^/"})
def _url_path(value: object) -> str:
    path = text(value)
    if not path.startswith("/"):
        raise ValueError(f'must be a path that begins with "/", and is {path!r}')
    return path


@value_type({"type": "object", "additionalProperties": _TEMPLATE})
def _templates(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise TypeError("must be a table")
    for name, template in value.items():
        if not isinstance(template, str):
            raise SettingError(name, "must be a string")
        try:
            _check_placeholders(template)
        except ValueError as error:
            raise SettingError(name, str(error)) from error
    return value


@value_type({"type": "array", "minItems": 1, "items": _TEMPLATE})
def _command(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(w, str) for w in value):
        raise TypeError("must be a list of strings, the program first")
    for word in value:
        _check_placeholders(word)
    return tuple(value)


def _whole(*, at_least: int, at_most: int | None = None) -> ValueType[int]:
    limits = {"minimum": at_least, **({} if at_most is None else {"maximum": at_most})}

    @value_type({"type": "integer", **limits})
    def whole(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError("must be a whole number")
        if at_most is not None and value > at_most:
            raise ValueError(f"must be at most {at_most}, and is {value}")
        if value < at_least:
            raise ValueError(f"must be at least {at_least}, and is {value}")
        return value

    return whole


def _check_placeholders(template: str) -> None:
    for name in _ANY_PLACEHOLDER.findall(template):
        if name not in KNOWN:
            known = ", ".join(f"{{{each}}}" for each in KNOWN)
            raise ValueError(f"has the unknown placeholder {{{name}}}; known: {known}")


def _unchanged(schema: Mapping[str, Any]) -> ValueType[Any]:
    """The type of a table that another module reads."""
    return ValueType(lambda value: value, schema)


_OBSERVE: Final = object_schema(
    {each.name: {"type": "string", "default": each.default} for each in fields(MetricNames)},
    required=[],
)
_POSTGRES: Final = table_type(
    {
        "database": Setting(text, "Name of the database.", "service"),
        "connections_per_worker": Setting(
            _whole(at_least=1), "Connections that a worker of the service may open.", 20
        ),
        "bin": Setting(text, "Folder with the programs of PostgreSQL.", ""),
        "env": Setting(
            _templates,
            "Variables for a temporary database, unless set in the environment.",
            {},
        ),
        "restore": Setting(
            flag, "Begin each load with the rows that the prepare steps have left.", default=False
        ),
    }
)
_STEP: Final = table_type(
    {
        "name": Setting(text, "Name of the step in messages."),
        "command": Setting(_command, "Program and arguments."),
    }
)
_SERVICE: Final = table_type(
    {
        "command": Setting(_command, "Program and arguments that start the service."),
        "ready": Setting(_url_path, "Path that responds with 200 when the service is ready.", "/"),
        "ready_within_s": Setting(_whole(at_least=1), "Time limit of the start, in seconds.", 60),
        "stop_within_s": Setting(_whole(at_least=1), "Time limit of the end, in seconds.", 10),
    }
)
STACK: Final = table_type(
    {
        "app": Setting(text, "The value of {app}.", ""),
        "python": Setting(
            text, "The value of {python}; by default the Python of straingauge.", None
        ),
        "workers": Setting(_whole(at_least=1), "The value of {workers}.", 1),
        "port": Setting(
            _whole(at_least=0, at_most=65535), "Port of the service; 0: any free port.", 0
        ),
        "profile": Setting(flag, "Profile the service during a load.", default=True),
        "env": Setting(_templates, "Variables of the environment of all commands.", {}),
        "postgres": Setting(
            _POSTGRES, "The database that is started with the service; leave out if none is.", None
        ),
        "prepare": Setting(
            list_type(_STEP, "a list of tables: [[prepare]]"),
            "Commands that run in this order before each start.",
            (),
        ),
        "service": Setting(_SERVICE, "How the service is started.", None),
        "observe": Setting(_unchanged(_OBSERVE), "Names of the service's metrics.", {}),
        "http": Setting(_unchanged(http_schema()), "Connections to the service.", {}),
        "scenario": Setting(_unchanged({"type": "array"}), "Scenarios of one load.", ()),
    }
)
"""The whole file. A file may lack `service`: then straingauge starts none."""
