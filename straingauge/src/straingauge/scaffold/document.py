"""OpenAPI documents (3.0 and 3.1), and the paths at which services serve them.

https://spec.openapis.org/oas/v3.1.0
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from straingauge.errors import TargetError, UsageError

Part = Mapping[str, Any]

USUAL_PATHS: Final = (
    "/openapi.json",
    "/api/openapi.json",
    "/v3/api-docs",
    "/api-docs",
    "/swagger.json",
    "/swagger/v1/swagger.json",
)
METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Document:
    """An OpenAPI document.

    Attributes:
        source: URL or path it was read from.
        content: The parsed JSON.
    """

    source: str
    content: Part

    @classmethod
    def parse(cls, text: str | bytes, source: str) -> "Document":
        """Parse a document.

        Raises:
            UsageError: It is not an OpenAPI document, or of an unsupported version.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{source}: not JSON: {error}",
                hint="convert YAML to JSON first, and use --openapi FILE",
            ) from error
        version = content.get("openapi", "") if isinstance(content, dict) else ""
        if not str(version).startswith("3."):
            old = isinstance(content, dict) and "swagger" in content
            found = f"Swagger {content['swagger']}" if old else "not an OpenAPI document"
            raise UsageError(
                f"{source}: {found}; OpenAPI 3 is required",
                hint="name the path or file of the document with --openapi",
            )
        if not isinstance(content.get("paths"), dict) or not content["paths"]:
            raise UsageError(f"{source}: the document has no paths")
        return cls(source, content)

    def resolved(self, part: Any) -> Any:  # noqa: ANN401  any JSON
        """Follow the reference of a part, if it is one.

        Raises:
            UsageError: The reference leads nowhere, or out of the document.
        """
        seen = set()
        while isinstance(part, dict) and "$ref" in part:
            reference = part["$ref"]
            if not str(reference).startswith("#/") or reference in seen:
                raise UsageError(f"{self.source}: the reference {reference} cannot be resolved")
            seen.add(reference)
            part = self.content
            for step in reference[2:].split("/"):
                name = step.replace("~1", "/").replace("~0", "~")
                if not isinstance(part, dict) or name not in part:
                    raise UsageError(f"{self.source}: the reference {reference} leads nowhere")
                part = part[name]
        return part

    @property
    def prefix(self) -> str:
        """Prefix of every path: the path of the first server.

        Raises:
            UsageError: It has a variable without a default.
        """
        server = next(iter(self.content.get("servers") or [{}]))
        url = str(server.get("url", ""))
        for name, variable in server.get("variables", {}).items():
            url = url.replace(f"{{{name}}}", str(variable.get("default", f"{{{name}}}")))
        path = urlsplit(url).path.rstrip("/")
        if "{" in path:
            raise UsageError(f"{self.source}: the server {url} has a variable without a default")
        return path if path.startswith("/") or not path else f"/{path}"

    def operations(self) -> Iterator[tuple[str, str, Part]]:
        """Each operation as path, method and content, such as ("/items", "get", {...})."""
        prefix = self.prefix
        for path, found in self.content["paths"].items():
            item = self.resolved(found)
            if not isinstance(item, dict):
                raise UsageError(f"{self.source}: paths.{path} must be an object")
            for method in METHODS:
                if method in item:
                    shared = item.get("parameters", [])
                    operation = self.resolved(item[method])
                    own = operation.get("parameters", [])
                    yield prefix + path, method, {**operation, "parameters": [*shared, *own]}


def fetch(url: str, named: str | None) -> Document:
    """Fetch the document of a service.

    Args:
        url: Base URL of the service.
        named: Path of the document at the service, or a file; None tries the usual paths.

    Raises:
        TargetError: The service does not respond or serves no document.
        UsageError: The given one is not a supported document.
    """
    if named is not None and not named.startswith("/"):
        return _of_file(Path(named))
    if named is not None and Path(named).is_file():
        return _of_file(Path(named))
    paths = (named,) if named else USUAL_PATHS
    for path in paths:
        found = _get(url.rstrip("/") + path)
        if found is not None:
            return Document.parse(found, url.rstrip("/") + path)
    raise TargetError(
        f"{url} serves no OpenAPI document at {', '.join(paths)}",
        hint="name its path or a file: --openapi /path/openapi.json",
    )


def _of_file(path: Path) -> Document:
    try:
        return Document.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _get(url: str) -> bytes | None:
    """The body at a URL; None for an error status."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"{url!r} is not a URL", hint="write it as http://localhost:8000")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:  # noqa: S310  see above
            content: bytes = response.read()
            return content
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except (OSError, ValueError) as error:
        raise TargetError(
            f"nothing responds at {url}: {getattr(error, 'reason', error)}",
            hint="start the service first, or name a file: --openapi openapi.json",
        ) from error
