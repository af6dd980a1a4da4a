"""Operations of a document: which are in the mix, and with which parameters."""

import json
import tomllib
from pathlib import Path

import pytest
from straingauge.recording import MAX_ENDPOINTS
from straingauge.scaffold import Document, Scaffold, scaffold

OK = {"200": {"description": "fine"}}
HOST = "http://localhost:8000"


def suite_of(paths: object) -> Scaffold:
    """Return the suite for a document with these paths."""
    document = Document.parse(json.dumps({"openapi": "3.2.0", "paths": paths}), "here.json", HOST)
    return scaffold(document, HOST, Path("load"), here=True, writes=False)


@pytest.mark.parametrize(
    ("kind", "params"),
    [("application/x-www-form-urlencoded", [{"a": "text", "b": 1}]), ("application/json", [])],
)
def test_a_parameter_that_is_the_whole_query(kind: str, params: list[object]):
    """Fields of a form are the query (OpenAPI 3.2, `in: querystring`); others are unknown."""
    schema = {
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
    }
    whole = {"name": "q", "in": "querystring", "required": True}
    parameters = [{**whole, "content": {kind: {"schema": schema}}}]
    suite = suite_of({"/s": {"get": {"parameters": parameters, "responses": OK}}, "/": {"get": {}}})
    assert [each.params for each in suite.mixed] == [*params, {}]
    reasons = [] if params else ["unknown: the query string q"]
    assert [reason for _, reason in suite.skipped] == reasons


def test_parameters_of_another_path_are_left_out():
    """A path parameter that the path does not have is nothing that has to be known."""
    unknown = {"name": "other", "in": "path", "required": True, "schema": {"type": "integer"}}
    suite = suite_of({"/x": {"get": {"parameters": [unknown], "responses": OK}}, "y": {"get": {}}})
    assert [each.name for each in suite.mixed] == ["GET /x"]
    assert [reason for _, reason in suite.skipped] == ['its path does not begin with "/"']


def test_a_suite_of_many_operations_passes_its_own_tests():
    """Each endpoint with thresholds is kept apart in results, and called in each test."""
    suite = suite_of({f"/{number}": {"get": {"responses": OK}} for number in range(300)})
    assert len(suite.mixed) == MAX_ENDPOINTS
    assert "endpoints at most" in suite.skipped[0][1]
    thresholds = tomllib.loads(str(suite.files["thresholds.toml"]))
    assert len(thresholds["endpoint"]) == MAX_ENDPOINTS
    tests = str(suite.files["test_load.py"])
    assert "constant(rate_per_s=10, duration_s=40)" in tests
    assert "constant_users(count=10, duration_s=40, think_s=(0.1, 0.5))" in tests
