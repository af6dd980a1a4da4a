"""OpenAPI documents (3.0, 3.1 and 3.2, in JSON or YAML).

https://spec.openapis.org/oas/v3.2.0
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote

from straingauge.errors import UsageError
from straingauge.json_text import parse_json
from straingauge.scaffold.server_url import place_of, split_url
from straingauge.scaffold.yaml_document import parse_yaml

Part = Mapping[str, Any]

METHODS: Final = ("get", "head", "query", "post", "put", "patch", "delete")


def as_dict(part: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """The part with its string keys, if it is an object; else an empty one."""
    return {k: v for k, v in part.items() if isinstance(k, str)} if isinstance(part, dict) else {}


def as_list(part: Any) -> list[Any]:  # noqa: ANN401  any JSON
    """The part if it is an array, else an empty one."""
    return part if isinstance(part, list) else []


@dataclass(frozen=True, slots=True)
class Found:
    """An operation as the document has it.

    Attributes:
        path: With the base path of its server, such as "/api/items/{id}".
        method: In lower case.
        content: The operation, with the parameters of its path.
        problem: A part of the document that makes it unusable; empty if there is none.
    """

    path: str
    method: str
    content: Part
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """An OpenAPI document.

    Attributes:
        source: URL or path it was read from.
        content: The parsed JSON.
        service: URL of the service under test.
        base_path: Prefix of every path; None leaves it to the servers that the document declares.
        merged: Cache of `flattened`: by identity, each schema and what it became.
        referenced: The same for `resolved`, so that a part has one identity.
        validators: By identity, the properties of a schema and the validator of such schemas.
    """

    source: str
    content: Part
    service: str = ""
    base_path: str | None = None
    merged: dict[int, tuple[Part, Part]] = field(default_factory=dict, repr=False, compare=False)
    referenced: dict[int, tuple[Any, Any]] = field(default_factory=dict, repr=False, compare=False)
    validators: dict[int, tuple[Part, Any]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str | bytes, source: str, service: str = "") -> "Document":
        """Parse a document.

        Args:
            text: The document.
            source: URL or path it was read from.
            service: URL of the service under test.

        Raises:
            UsageError: It is not an OpenAPI document, or of an unsupported version.
        """
        content = _parsed(text, source)
        version = content.get("openapi", "") if isinstance(content, dict) else ""
        if not str(version).startswith("3."):
            old = isinstance(content, dict) and "swagger" in content
            found = f"Swagger {content['swagger']}" if old else "not an OpenAPI document"
            convert = "convert it first, for example with swagger2openapi; then: --openapi FILE"
            raise UsageError(
                f"{source}: {found}; OpenAPI 3 is required",
                hint=convert if old else "name the path or file of the document with --openapi",
            )
        if not as_dict(content.get("paths")):
            raise UsageError(f"{source}: the document has no paths")
        return cls(source, content, service)

    @property
    def title(self) -> str:
        """Title of the service, in one line."""
        title = as_dict(self.content.get("info")).get("title")
        return " ".join(str(title or "the service").split())

    def resolved(self, part: Any) -> Any:  # noqa: ANN401  any JSON
        """Follow the reference of a part, if it is one.

        Keys next to the reference are added to what it leads to (OpenAPI 3.1).

        Raises:
            UsageError: The reference leads nowhere, or out of the document.
        """
        if not isinstance(part, dict) or not isinstance(part.get("$ref"), str):
            return part
        if id(part) not in self.referenced:
            self.referenced[id(part)] = (part, self._followed(part))
        return self.referenced[id(part)][1]

    def _followed(self, part: Any) -> Any:  # noqa: ANN401  any JSON
        seen: set[str] = set()
        beside: dict[str, Any] = {}
        while isinstance(part, dict) and isinstance(part.get("$ref"), str):
            reference = part["$ref"]
            if reference in seen:
                raise UsageError(f"{self.source}: the reference {reference} cannot be resolved")
            seen.add(reference)
            beside = {k: v for k, v in part.items() if k != "$ref"} | beside
            part = self._target(reference)
        if beside and isinstance(part, dict) and not str(self.content["openapi"]).startswith("3.0"):
            return {**part, **beside}
        return part

    def _target(self, reference: str) -> Any:  # noqa: ANN401  any JSON
        """The part at a JSON pointer in a URI fragment (RFC 6901, section 6)."""
        file, _, pointer = reference.partition("#")
        if not self._is_own_file(file) or (pointer and pointer[0] != "/"):
            raise UsageError(f"{self.source}: the reference {reference} cannot be resolved")
        part: Any = self.content
        for step in unquote(pointer).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(part, list) and name.isdecimal() and int(name) < len(part):
                part = part[int(name)]
            elif isinstance(part, dict) and (name in part or name.isdecimal()):
                part = part.get(name, part.get(int(name)) if name.isdecimal() else None)
            else:
                raise UsageError(f"{self.source}: the reference {reference} leads nowhere")
        return part

    def _is_own_file(self, file: str) -> bool:
        """Return whether a reference names this document, also by its `$self` (OpenAPI 3.2)."""
        own = str(self.content.get("$self") or "")
        urls = [url for url in (split_url(self.source), split_url(own, self.source)) if url]
        names = (name for url in urls for name in (url.geturl(), PurePosixPath(url.path).name))
        return file.removeprefix("./") in ("", own, *names)

    def operations(self) -> Iterator[Found]:
        """Each operation; one with a problem has a content that is empty."""
        for path, item in as_dict(self.content["paths"]).items():
            if path.startswith("x-"):
                continue  # an extension
            if not path.startswith("/"):
                yield Found(path, "any method", {}, 'its path does not begin with "/"')
                continue
            try:
                yield from self._of_path(path.partition("#")[0], item)
            except UsageError as error:
                yield Found(path, "any method", {}, str(error))

    def _object(self, part: Any, where: str) -> dict[str, Any]:  # noqa: ANN401  any JSON
        found = self.resolved(part)
        if not isinstance(found, dict):
            raise UsageError(f"{self.source}: {where} must be an object")
        return found

    def _of_path(self, path: str, item: Any) -> Iterator[Found]:  # noqa: ANN401  any JSON
        item = self._object(item, f"paths.{path}")
        for method in METHODS:
            if method not in item:
                continue
            try:
                content = self._object(item[method], f"{method} of {path}")
                servers = as_list(content.get("servers")) or as_list(item.get("servers"))
                prefix = self._own_prefix(servers) if servers else self.prefix
                shared, own = as_list(item.get("parameters")), as_list(content.get("parameters"))
                yield Found(prefix + path, method, {**content, "parameters": [*shared, *own]})
            except UsageError as error:
                yield Found(path, method, {}, str(error))

    @property
    def prefix(self) -> str:
        """Prefix of every path: the path of the server that is the service under test.

        If none is, that of the first one whose variables are known.

        Raises:
            UsageError: Each has a variable without a default, or is no URL.
        """
        if self.base_path is not None:
            return self.base_path
        servers = as_list(self.content.get("servers"))
        return self._prefix_of(servers) if servers else ""

    @property
    def is_served_elsewhere(self) -> bool:
        """True if the document declares servers, and none is the service under test."""
        urls = [*self._urls(self.content.get("servers"))]
        return bool(urls) and not any(map(self._is_own, urls))

    def _own_prefix(self, servers: Sequence[Any]) -> str:
        """Prefix of a single operation.

        Raises:
            UsageError: It belongs to another host than the rest of the document.
        """
        common = {place_of(url) for url in self._urls(self.content.get("servers"))}
        own = [*self._urls(servers)]
        if own and not any(self._is_own(url) or place_of(url) in common for url in own):
            raise UsageError(f"it is served by {own[0]}")
        return self._prefix_of(servers)

    def _is_own(self, url: str) -> bool:
        """Return whether a server is the service under test; one without a host is."""
        place = place_of(url, self._base)
        return not place[0] or place in (place_of(self.service), place_of(self._base))

    @property
    def _base(self) -> str:
        """The URL that those of servers are relative to."""
        return self.source if self.source.startswith("http") else "/"

    def _prefix_of(self, servers: Sequence[Any]) -> str:
        urls = sorted(self._urls(servers), key=lambda url: not self._is_own(url))
        for parts in (split_url(url, self._base) for url in urls):
            path = "{" if parts is None else parts.path.rstrip("/")
            if "{" not in path:
                return path if path.startswith("/") or not path else f"/{path}"
        first = as_dict(next(iter(servers), {})).get("url")
        raise UsageError(
            f"{self.source}: the server {first} has a variable without a default, or is no URL"
        )

    def _urls(self, servers: Any) -> Iterator[str]:  # noqa: ANN401  any JSON
        """URLs of servers, with the defaults of their variables."""
        for server in map(as_dict, as_list(servers)):
            url = str(server.get("url") or "/")
            for name, variable in as_dict(server.get("variables")).items():
                known = as_dict(variable)
                values = [known.get("default"), *as_list(known.get("enum"))]
                value = next((each for each in values if each is not None), f"{{{name}}}")
                url = url.replace(f"{{{name}}}", str(value))
            yield url


def _parsed(text: str | bytes, source: str) -> Any:  # noqa: ANN401  any JSON
    """JSON, or YAML if it is not JSON."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise UsageError(
                f"{source}, line {line}: not UTF-8: {error.reason}",
                hint="save it with the encoding UTF-8",
            ) from error
    try:
        return parse_json(text)
    except ValueError as error:
        if text.lstrip()[:1] in ("{", "["):
            raise UsageError(f"{source}: not JSON: {error}", hint="correct it there") from error
        return parse_yaml(text, source)
