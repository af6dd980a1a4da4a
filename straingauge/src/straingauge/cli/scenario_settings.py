"""The keys of a [[scenario]]: their types and meanings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from straingauge.cli.param_types import RANGE, Duration, StageText, Think
from straingauge.schedule.stages import STAGE_PATTERN
from straingauge.time_text import NOT_ZERO, PATTERN
from straingauge.toml_value import Schema, Setting, ValueType, flag, object_schema, text, value_type

OWN_LOAD: Final = ("users", "rate", "stages")
"""Keys of a scenario that does not share the load of the command."""

_TIME: Final = {"type": "string", "pattern": PATTERN, "allOf": [{"pattern": NOT_ZERO}]}


@value_type({"type": "array", "items": {"type": "string"}})
def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError('must be a list of texts, such as ["listing=3", "detail"]')
    return tuple(value)


@value_type({"type": "integer", "minimum": 1})
def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TypeError("must be a whole number, 1 or more")
    return value


@value_type({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e9})
def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise TypeError("must be a number more than 0")
    return float(value)


@value_type(_TIME)
def _time(value: object) -> float:
    return Duration().convert(text(value), None, None)


@value_type({"anyOf": [{"enum": [0, "0", "0s"]}, _TIME]})
def _start(value: object) -> float:
    return 0.0 if value in (0, "0", "0s") else _time(value)


_file: Final = ValueType(lambda value: Path(text(value)), {"type": "string"})
_stages: Final = ValueType(
    lambda value: tuple(StageText().convert(each, None, None) for each in _texts(value)),
    {"type": "array", "items": {"type": "string", "pattern": STAGE_PATTERN}},
)
_think: Final = ValueType(
    lambda value: Think().convert(text(value), None, None),
    {"type": "string", "pattern": rf"^\s*(?:{RANGE.pattern})\s*$"},
)

SETTINGS: Final[Mapping[str, Setting]] = {
    "name": Setting(text, "Name of the scenario in results."),
    "file": Setting(_file, "Python file with journeys, relative to this file.", None),
    "get": Setting(_texts, 'Paths to request in place of journeys, such as ["/health"].', None),
    "journeys": Setting(
        _texts, 'Journeys of the file, perhaps with weights: ["list=3", "detail"].', None
    ),
    "journey_tags": Setting(_texts, "Only journeys with one of these tags.", None),
    "users": Setting(_whole, "Number of concurrent users.", None),
    "rate": Setting(_positive, "Executions per second.", None),
    "poisson": Setting(flag, "Random arrivals at the rate.", None),
    "stages": Setting(
        _stages, 'Linear changes of the load: ["30s:100", "2m:100"]; "30s:100/s" is a rate.', None
    ),
    "duration": Setting(_time, 'Duration, such as "2m".', None),
    "think": Setting(_think, 'Pause of a user between journeys, such as "1-3s".', None),
    "start": Setting(_start, 'Delay of the start, such as "30s".', None),
    "weight": Setting(_whole, "Part of the load of --users or --rate; 1 by default.", None),
    "tags": Setting(_texts, "Labels under which scenarios are added up in the result.", None),
}


def scenarios_schema() -> Schema:
    """Return the JSON Schema of all [[scenario]] tables."""
    own_load = [{"required": [each]} for each in OWN_LOAD]
    scenario = {
        **object_schema({key: each.schema for key, each in SETTINGS.items()}, required=["name"]),
        "not": {"required": ["weight"], "anyOf": own_load},
    }
    return {
        "type": "array",
        "minItems": 1,
        "items": scenario,
        "description": "Scenarios of one load.",
    }
