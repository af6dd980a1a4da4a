"""Causes as SARIF 2.1.0, the format of code scanning.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". Code hosts show
only results at a line of a file, so causes without one are notifications of the run.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

from straingauge.diagnosis import CAUSES
from straingauge.git import repository_path
from straingauge.redaction import without_secrets
from straingauge.report.locations import code_of, place
from straingauge.report.text import EVIDENCE, Result, grade, shown_causes

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
ROOT: Final = "%SRCROOT%"  # uriBaseId of paths relative to the root of the repository
_LEVELS: Final = {"critical": "error", "no_data": "warning", "warning": "warning"}

Cause = Mapping[str, Any]


def sarif(results: Sequence[Result]) -> str:
    """Render the causes of all runs that are likely enough to be shown, as one run of SARIF."""
    results = [without_secrets(result) for result in results]
    causes = shown_causes(results)
    levels = {str(result["name"]): _LEVELS.get(grade(result), "note") for result in results}
    placed = [cause for cause in causes if code_of(cause)]
    notified = [cause for cause in causes if not code_of(cause)]
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(placed, notified)},
                "automationDetails": {"id": "straingauge/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            _notification(number, cause, levels)
                            for number, cause in enumerate(notified)
                        ],
                    }
                ],
                "results": [_result(number, cause, levels) for number, cause in enumerate(placed)],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _driver(placed: Sequence[Cause], notified: Sequence[Cause]) -> dict[str, Any]:
    return {
        "name": "straingauge",
        "semanticVersion": version("straingauge"),
        "rules": [_rule(cause) for cause in placed],
        "notifications": [_rule(cause) for cause in notified],
    }


def _rule(cause: Cause) -> dict[str, Any]:
    advice = CAUSES[cause["cause"]].advice
    return {
        "id": cause["cause"],
        "shortDescription": {"text": cause["title"]},
        "help": {
            "text": "\n".join(advice),
            "markdown": "\n".join(f"- {each}" for each in advice),
        },
        "properties": {"tags": ["performance"]},
    }


def _result(number: int, cause: Cause, levels: Mapping[str, str]) -> dict[str, Any]:
    first, *others = map(_location, code_of(cause))
    return {
        "ruleId": cause["cause"],
        "ruleIndex": number,
        "level": _level(cause, levels),
        "message": {"text": _message(cause)},
        "locations": [first],
        "relatedLocations": [{**each, "id": n} for n, each in enumerate(others, 1)],
        "partialFingerprints": {"causeInFunction/v1": _fingerprint(cause)},
        "rank": round(100 * cause["confidence"], 1),
        "properties": _properties(cause),
    }


def _notification(number: int, cause: Cause, levels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "descriptor": {"id": cause["cause"], "index": number},
        "level": _level(cause, levels),
        "message": {"text": _message(cause)},
        "properties": _properties(cause),
    }


def _location(code: Mapping[str, Any]) -> dict[str, Any]:
    path = repository_path(code["file"])
    # A file outside of the repository has an absolute URI.
    uri = {"uri": f"file://{quote(path)}"} if path.startswith("/") else _relative(path)
    location = {
        "physicalLocation": {
            "artifactLocation": uri,
            "region": {"startLine": max(1, code["line"])},
        },
    }
    function = code.get("function")
    named = [{"fullyQualifiedName": function, "kind": "function"}] if function else []
    return {**location, "logicalLocations": named}


def _relative(path: str) -> dict[str, str]:
    return {"uri": quote(path), "uriBaseId": ROOT}


def _message(cause: Cause) -> str:
    """Return the title, the evidence, places that are not code, and what to do, as one text."""
    others = [place(each) for each in cause.get("where", ()) if each["kind"] != "code"]
    indexes = [each["index"] for each in cause.get("where", ()) if each.get("index")]
    title = f"{cause['title']} ({cause['confidence']:.0%} sure)"
    sentences = [title, *cause["evidence"][:EVIDENCE], *filter(None, others), *indexes]
    return f"{'; '.join(sentences)}. Fix: {cause['advice'][0]}."


def _level(cause: Cause, levels: Mapping[str, str]) -> str:
    found = {levels.get(test, "note") for test in cause["tests"]}
    return next((level for level in ("error", "warning") if level in found), "note")


def _properties(cause: Cause) -> dict[str, Any]:
    return {"tests": cause["tests"], "where": cause.get("where", [])}


def _fingerprint(cause: Cause) -> str:
    """Identify a cause in a function, so that it is the same after lines have moved."""
    first = code_of(cause)[0]
    parts = (cause["cause"], repository_path(first["file"]), first.get("function") or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
