"""The JSON Schemas of the TOML files that people write."""

from collections.abc import Callable, Mapping
from typing import Final

from straingauge.cli.scenario_settings import scenarios_schema
from straingauge.target.stack_settings import STACK
from straingauge.toml_value import DRAFT, Schema
from straingauge.verdict.threshold_schema import threshold_schema


def stack_schema() -> Schema:
    """Return the schema of straingauge.toml, and of files with nothing but scenarios."""
    properties = {**STACK.schema["properties"], "scenario": scenarios_schema()}
    return {
        "$schema": DRAFT,
        "title": "Configuration of straingauge",
        **STACK.schema,
        "properties": properties,
    }


TOML_SCHEMAS: Final[Mapping[str, Callable[[], Schema]]] = {
    "straingauge": stack_schema,
    "thresholds": threshold_schema,
}
"""The schemas by the names of the files."""
