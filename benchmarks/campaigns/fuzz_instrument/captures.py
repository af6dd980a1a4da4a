"""Input of `straingauge init`: OpenAPI documents, HAR files, Postman collections and curl."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from campaigns.fuzz_instrument.files import ROOT, changed, corpus, damaged, refused
from campaigns.fuzz_instrument.mutation import damage
from campaigns.fuzz_instrument.trial import Input
from straingauge.scaffold import Document, Scaffold, scaffold
from straingauge.scaffold.captured import (
    Capture,
    parse_curl,
    parse_har,
    parse_postman,
    read_json,
    suite_of,
)

URL: Final = "http://127.0.0.1:8000"
DOCUMENTS: Final = ROOT / "build" / "openapi"


def _json(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(corpus(name))
    return found


def _check(suite: Scaffold) -> None:
    """Check that the Python files of a suite are Python."""
    for name, content in suite.files.items():
        if name.endswith(".py"):
            compile(content, name, "exec")
        elif name.endswith(".json"):
            json.loads(content)


def _read_openapi(example: bytes, folder: Path) -> None:
    with refused("openapi.json"):
        document = Document.parse(example, "openapi.json")
        for writes in (False, True):
            _check(scaffold(document, URL, folder, here=True, writes=writes))


def _check_capture(capture: Capture, folder: Path) -> None:
    _check(suite_of(capture, URL, folder, here=True, writes=True).scaffold)


def _read_har(example: bytes, folder: Path) -> None:
    path = folder / "a.har"
    path.write_bytes(example)
    with refused(path.name):
        _check_capture(parse_har(read_json(path, "a HAR file"), path.name), folder)


def _read_postman(example: bytes, folder: Path) -> None:
    path = folder / "a.json"
    path.write_bytes(example)
    with refused(path.name):
        content = read_json(path, "a Postman collection")
        _check_capture(parse_postman(content, path.name, URL), folder)


def _read_curl(example: bytes, folder: Path) -> None:
    with refused("curl"):
        _check_capture(parse_curl(example.decode("utf-8", "surrogateescape"), URL), folder)


def _real_documents(random: Random) -> bytes:
    """Return a document of the downloaded ones; mostly as it is, or else damaged."""
    files = sorted(DOCUMENTS.glob("**/*.*"))
    data = random.choice(files).read_bytes() if files else corpus("openapi.json")
    return damage(data, random) if random.random() < 0.3 else data


def _yaml(random: Random) -> bytes:
    import yaml

    return damage(yaml.safe_dump(_json("openapi.json"), sort_keys=False).encode(), random)


def capture_inputs() -> Sequence[Input]:
    """Return the kinds of input of `straingauge init`."""
    return [
        Input("openapi", "OpenAPI documents (JSON)", changed(_json("openapi.json")), _read_openapi),
        Input("openapi-yaml", "OpenAPI documents (YAML)", _yaml, _read_openapi),
        Input("openapi-real", "OpenAPI documents of real services", _real_documents, _read_openapi),
        Input("har", "HAR files", changed(_json("har.json")), _read_har),
        Input("postman", "Postman collections", changed(_json("postman.json")), _read_postman),
        Input("curl", "curl commands", damaged(*corpus("curl.txt").split(b"\n\n")), _read_curl),
    ]
