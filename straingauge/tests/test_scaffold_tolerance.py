import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from straingauge.errors import UsageError
from straingauge.scaffold import Document, Scaffold, scaffold
from straingauge.verdict.thresholds import Thresholds

OK = {"200": {"description": "fine"}}
ROW = {"$ref": "#/components/schemas/Row"}
CONTENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "A service", "version": "1"},
    "servers": [{"url": "/{v}", "variables": {"v": {"default": "v1", "enum": ["v1"]}}}],
    "security": [{"oauth": ["read"]}, {"key": []}],
    "paths": {
        "/rows": {
            "parameters": [
                {"name": "n", "in": "query", "required": True, "schema": {"default": 1}}
            ],
            "get": {
                "operationId": "list",
                "summary": "List rows",
                "responses": {
                    "200": {
                        "description": "rows",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["items"],
                                    "properties": {"items": {"type": "array", "items": ROW}},
                                }
                            }
                        },
                    }
                },
            },
            "post": {
                "operationId": "create",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": ROW,
                            "examples": {"a": {"value": {"id": 1}}},
                        },
                        "multipart/form-data": {"schema": ROW},
                    }
                },
                "responses": {"201": {"content": {"application/json": {"schema": ROW}}}},
            },
        },
        "/rows/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
            ],
            "get": {"responses": OK},
            "delete": {"responses": {"204": {"description": "gone"}}},
        },
        "/token": {
            "post": {
                "security": [],
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {
                                "type": "object",
                                "required": ["username", "password"],
                                "properties": {
                                    "username": {"type": "string"},
                                    "password": {"type": "string"},
                                },
                            }
                        }
                    }
                },
                "responses": OK,
            }
        },
    },
    "components": {
        "schemas": {
            "Base": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "integer"}},
            },
            "Row": {
                "allOf": [{"$ref": "#/components/schemas/Base"}],
                "properties": {
                    "kind": {"oneOf": [{"type": "null"}, {"type": "string", "minLength": 2}]},
                    "of": {"$ref": "#/components/schemas/Row"},
                },
                "required": ["kind"],
            },
        },
        "securitySchemes": {
            "oauth": {
                "type": "oauth2",
                "flows": {"password": {"tokenUrl": "token", "scopes": {"read": "reading"}}},
            },
            "key": {"type": "apiKey", "in": "query", "name": "key"},
        },
    },
}


def suite_of(content: object, *, writes: bool = True) -> Scaffold:
    """Return the suite for a document, whose files are valid Python and TOML."""
    document = Document.parse(json.dumps(content), "here.json")
    suite = scaffold(document, "http://localhost:1", Path("load"), here=True, writes=writes)
    compile(suite.files["journeys.py"], "journeys.py", "exec")
    Thresholds.parse(tomllib.loads(suite.files["thresholds.toml"]), source="thresholds.toml")
    return suite


def places(part: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the path of each part of a document."""
    items = (
        part.items()
        if isinstance(part, dict)
        else enumerate(part)
        if isinstance(part, list)
        else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


@pytest.mark.parametrize("wrong", [None, 5, 'a"\n\\"""{x}\ud800\0', [None], {"$ref": "#/nowhere"}])
def test_one_wrong_part_never_breaks_the_suite(wrong: object):
    """Whatever part of a document is malformed, there is a valid suite or an error in one line."""
    for *path, last in places(CONTENT):
        content = copy.deepcopy(CONTENT)
        part: Any = content
        for step in path:
            part = part[step]
        part[last] = wrong
        try:
            suite = suite_of(content)
        except UsageError as error:
            # Without version, paths or servers there is nothing to begin with.
            assert last in {"openapi", "paths", "url", "v", "default", "variables"}, (path, error)  # noqa: PT017
            continue
        if path[:2] == ["paths", "/rows/{id}"]:
            assert "GET /v1/rows" in [each.name for each in suite.mixed]
