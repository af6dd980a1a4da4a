"""The JSON Schema of threshold files."""

import sys
from collections.abc import Callable
from typing import Any, Final

from straingauge.time_text import PATTERN
from straingauge.toml_value import DRAFT, Schema, object_schema
from straingauge.verdict.metric import Metric
from straingauge.verdict.metric_families import PATTERNS
from straingauge.verdict.metrics import METRICS, metric_of
from straingauge.verdict.thresholds import (
    BEFORE_DOT,
    LEVELS,
    MAX_WINDOW_S,
    PARTS,
    any_metric,
    of_endpoint,
)

_NUMBER: Final = {
    "type": "number",
    "minimum": -sys.float_info.max,
    "maximum": sys.float_info.max,
}
_MEANING: Final = {
    "target": "A value this good passes.",
    "warning": "A value this bad warns.",
    "critical": "A value this bad fails the run.",
}
_THRESHOLD: Final = "#/definitions/threshold"
_WHOLE_RUN: Final = "#/definitions/whole_run_threshold"


def threshold_schema() -> Schema:
    """Return the schema: tables of the whole run, of tests, endpoints and parts of a run."""
    kinds: dict[str, Callable[[Metric], bool]] = {
        "test": any_metric,
        "endpoint": of_endpoint,
        **{kind: is_known for kind, (_, is_known) in PARTS.items()},
    }
    named = {
        kind: {"type": "object", "additionalProperties": {"$ref": f"#/definitions/{kind}"}}
        for kind in kinds
    }
    return {
        "$schema": DRAFT,
        "title": "Thresholds of straingauge",
        **object_schema({"all": {"$ref": "#/definitions/test"}, **named}, required=[]),
        "definitions": {
            "threshold": _threshold(),
            "whole_run_threshold": {
                "allOf": [{"$ref": _THRESHOLD}],
                "properties": {"abort": {"const": False}},
            },
            **{kind: _metrics(is_known) for kind, is_known in kinds.items()},
        },
    }


def _metrics(is_known: Callable[[Metric], bool]) -> dict[str, Any]:
    """Return the schema of a table of metrics."""
    families = {
        f"^(?:{pattern})$": {"$ref": _THRESHOLD}
        for pattern, example in PATTERNS.items()
        if is_known(metric_of(example))
    }
    # TOML reads p99.9_ms without quotes as "9_ms" in "p99".
    split = {
        "type": "object",
        "patternProperties": {r"^\d{1,3}_ms$": {"$ref": _THRESHOLD}},
        "additionalProperties": False,
    }
    return {
        **object_schema(
            {name: _metric(each) for name, each in METRICS.items() if is_known(each)}, required=[]
        ),
        "patternProperties": {**families, f"^{BEFORE_DOT.pattern}$": split},
    }


def _metric(metric: Metric) -> dict[str, Any]:
    better = "higher" if metric.higher_is_better else "lower"
    unit = f" ({metric.unit})" if metric.unit else ""
    return {
        "allOf": [{"$ref": _WHOLE_RUN if metric.whole_run else _THRESHOLD}],
        "description": f"{metric.description}{unit}; {better} is better",
    }


def _threshold() -> dict[str, Any]:
    levels = {level: {**_NUMBER, "description": _MEANING[level]} for level in LEVELS}
    with_abort = {"required": ["abort"], "properties": {"abort": {"const": True}}}
    return {
        **object_schema(
            {
                **levels,
                "abort": {
                    "type": "boolean",
                    "default": False,
                    "description": "A critical value ends the run.",
                },
                "window": {
                    **_time(1, MAX_WINDOW_S),
                    "description": "The time whose value counts for abort, such as 10s.",
                },
                "after": {
                    **_time(0),
                    "description": "The time in which a run is not ended, such as 30s.",
                },
            },
            required=[*LEVELS],
        ),
        "dependencies": {"window": with_abort, "after": with_abort},
    }


def _time(least: float, most: float = sys.float_info.max) -> dict[str, Any]:
    number = {"type": "number", "minimum": least, "maximum": most}
    return {"anyOf": [number, {"type": "string", "pattern": PATTERN}]}
