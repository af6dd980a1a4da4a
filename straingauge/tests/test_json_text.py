"""JSON and TOML that others wrote: everything that can be wrong with them is one clear error."""

import json
from pathlib import Path

import pytest
from straingauge.errors import UsageError
from straingauge.json_text import parse_json
from straingauge.text_file import parse_toml

DEEP = 100_000


@pytest.mark.parametrize("text", ["[" * DEEP, '{"a":' * DEEP, b"[" * DEEP, "9" * 5000])
@pytest.mark.parametrize("finite", [False, True])
def test_json_that_cannot_be_read_is_a_value_error(text: str | bytes, *, finite: bool):
    """Nesting and digits without end are an error of the same type as wrong syntax."""
    with pytest.raises(ValueError, match=r"nested too deeply|digits"):
        parse_json(text, finite=finite)


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "NaN", "Infinity", "9" * 400, "1" * 400 + ".5"]
)
def test_numbers_that_no_float_can_hold_are_refused(number: str):
    """A number that later arithmetic could not use is refused where it is read."""
    with pytest.raises(ValueError, match="number"):
        parse_json(f'{{"a": [{number}]}}', finite=True)


def test_values_are_those_of_the_standard_library():
    """Valid JSON is read as the standard library reads it, and wrong syntax has its line."""
    text = '{"a": [1, -2.5e10, 12345678901234567890, null, true, "\\u00e9"]}'
    assert parse_json(text, finite=True) == parse_json(text.encode()) == json.loads(text)
    with pytest.raises(json.JSONDecodeError, match="line 2"):
        parse_json("{\n]", finite=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 3000, "a.toml: not valid TOML: it is nested too deeply"),
        ("a = " + "{a=" * 3000, "a.toml: not valid TOML: it is nested too deeply"),
        ("a = " + "9" * 5000, "a.toml: not valid TOML: Exceeds the limit"),
        ("a = \n", r"a.toml: not valid TOML: .* line 1"),
    ],
)
def test_toml_that_cannot_be_read_is_a_usage_error(text: str, message: str):
    """A message names the file, whatever is wrong with it."""
    with pytest.raises(UsageError, match=message):
        parse_toml(text, Path("a.toml"))
