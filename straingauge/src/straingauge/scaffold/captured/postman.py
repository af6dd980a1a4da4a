"""Postman collections, version 2.0 and 2.1."""

import json
import re
from collections.abc import Iterator, Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from straingauge.errors import UsageError
from straingauge.scaffold.captured.capture import Body, Capture, CapturedRequest, Pairs, body_of
from straingauge.scaffold.captured.form_part import FormPart, uploaded
from straingauge.scaffold.captured.secrets import is_secret_name
from straingauge.scaffold.document import as_dict, as_list

JOURNEY: Final = "requests"
_VARIABLE: Final = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_DEEPEST: Final = 50
# Values that Postman makes up for each request: an example of each.
_MADE: Final = {
    "$guid": "5f1e4b2a-9c3d-4e8f-a1b2-c3d4e5f60718",
    "$randomUUID": "5f1e4b2a-9c3d-4e8f-a1b2-c3d4e5f60718",
    "$timestamp": "1767225600",
    "$isoTimestamp": "2026-01-01T00:00:00.000Z",
    "$randomInt": "17",
}


def parse_postman(
    content: Mapping[str, Any],
    source: str,
    base_url: str,
    environment: Mapping[str, Any] | None = None,
) -> Capture:
    """Return the requests of a collection: a journey for each folder at its top.

    Args:
        content: The collection.
        source: Its file.
        base_url: Stands for a variable at the begin of a URL that the collection does not define.
        environment: An exported environment, whose values come before those of the collection.

    Raises:
        UsageError: It is no collection of a known version, or has no requests; or the environment
            is none.
    """
    content = as_dict(content.get("collection")) or content
    info = as_dict(content.get("info"))
    schema = str(info.get("schema") or "")
    if not isinstance(content.get("item"), list) or (schema and "/v2." not in schema):
        raise UsageError(
            f"{source} is not a Postman collection of version 2.0 or 2.1",
            hint="export it as Collection v2.1",
        )
    capture = Capture(source, str(info.get("name") or source))
    reader = _Reader(capture, base_url, content, environment or {"values": []})
    for name, request in reader.requests(content, JOURNEY, content.get("auth"), 0):
        capture.journeys.setdefault(name, []).append(request)
    if not capture.journeys:
        reasons = ", ".join(f"{count} {reason}" for reason, count in capture.skipped.items())
        raise UsageError(f"{source} has no request to send ({reasons or 'it is empty'})")
    return capture


def _variables(listed: object) -> tuple[dict[str, str], frozenset[str]]:
    """Return the values of variables by name, and those that are secret."""
    known = {
        str(each.get("key") or each.get("id")).strip(): each
        for each in map(as_dict, as_list(listed))
        if each.get("value") not in (None, "")
        and not each.get("disabled")
        and each.get("enabled", True)  # of environments
    }
    values = {name: str(each["value"]) for name, each in known.items()}
    secret = (name for name, each in known.items() if each.get("type") == "secret")
    named = (name for name in known if is_secret_name(name))
    return values, frozenset(values[name] for name in (*secret, *named))


def _auth_of(given: object) -> tuple[str, Mapping[str, Any]]:
    """Return the kind of an authorization, and its values by name."""
    auth = as_dict(given)
    kind = str(auth.get("type") or "noauth")
    listed = auth.get(kind)  # pairs in version 2.1, an object in 2.0
    if not isinstance(listed, list):
        return kind, as_dict(listed)
    return kind, {str(each.get("key")): each.get("value") for each in map(as_dict, listed)}


def _joined(url: Mapping[str, Any]) -> str:
    """Return the text of a URL that is given in parts."""

    def part(name: str, separator: str) -> str:
        given = url.get(name)
        return separator.join(map(str, given)) if isinstance(given, list) else str(given or "")

    host, path = part("host", "."), part("path", "/").lstrip("/")
    port = f":{url['port']}" if url.get("port") else ""
    pairs = [
        f"{each.get('key')}={each.get('value') or ''}"
        for each in map(as_dict, as_list(url.get("query")))
        if each.get("key") and not each.get("disabled")
    ]
    scheme = f"{url['protocol']}://" if url.get("protocol") else ""
    query = f"?{'&'.join(pairs)}" if pairs else ""
    return f"{scheme}{host}{port}/{path}{query}" if host else ""


class _Unknown(Exception):
    """A variable without a value, or a file without a name, in the words of a reason."""


class _Reader:
    """Reads the items of a collection."""

    def __init__(
        self,
        capture: Capture,
        base_url: str,
        collection: Mapping[str, Any],
        environment: Mapping[str, Any],
    ) -> None:
        if not isinstance(environment.get("values"), list):
            raise UsageError(
                "the Postman environment has no values", hint="export it as an environment"
            )
        self._capture = capture
        self._base_url = base_url
        self._environment, secrets = _variables(environment["values"])
        own_values, own_secrets = _variables(collection.get("variable"))
        self._variables = own_values | self._environment
        self._secrets = secrets | own_secrets

    def requests(
        self, folder: Mapping[str, Any], journey: str, auth: object, depth: int
    ) -> Iterator[tuple[str, CapturedRequest]]:
        """Yield each request below a folder, with its journey."""
        if folder.get("event"):
            self._capture.note("scripts of the collection are not run")
        if depth > _DEEPEST:
            self._capture.skipped["in folders that are nested too deep"] += 1
            return
        outer = self._variables
        if depth:
            own_values, secrets = _variables(folder.get("variable"))
            self._variables = outer | own_values | self._environment
            self._secrets |= secrets
        for item in map(as_dict, as_list(folder.get("item"))):
            own = item["auth"] if item.get("auth") else auth
            if isinstance(item.get("item"), list):
                name = str(item.get("name") or journey) if not depth else journey
                yield from self.requests(item, name, own, depth + 1)
                continue
            if item.get("event"):
                self._capture.note("scripts of the collection are not run")
            try:
                request = self._request(item.get("request"), own)
            except _Unknown as error:
                self._capture.skipped[f"with {error}"] += 1
                continue
            if request is not None:
                yield journey, request
        self._variables = outer

    def _request(self, given: object, auth: object) -> CapturedRequest | None:
        if isinstance(given, str):  # a GET in short
            given = {"url": given}
        described = as_dict(given)
        url = self._url(described.get("url"))
        if not url:
            self._capture.skipped["not understood: no URL"] += 1
            return None
        headers = self._pairs(described.get("header"))
        body = as_dict(described.get("body"))
        if body.get("disabled"):
            body = {}
        headers, url = self._authorized(described.get("auth") or auth, headers, url)
        return CapturedRequest(
            method=str(described.get("method") or "GET").upper(),
            url=url.partition("#")[0],
            headers=headers,
            body=self._body(body, str(body.get("mode")), headers),
            credentials=self._secrets | self._credentials(described.get("auth") or auth),
        )

    def _url(self, given: object) -> str:
        parts = as_dict(given)
        raw = given if isinstance(given, str) else str(parts.get("raw") or _joined(parts))
        if raw.startswith("{{"):  # such as {{baseUrl}}/items
            found = _VARIABLE.match(raw)
            if found is not None and found[1] not in self._variables:
                raw = self._base_url + raw[found.end() :]
        url = self._filled(raw)
        if url and "://" not in url:
            url = f"http://{url}"
        for each in map(as_dict, as_list(parts.get("variable"))):
            name, value = str(each.get("key") or each.get("id")), each.get("value")
            if re.search(rf"/:{re.escape(name)}(?=[/?]|$)", url):
                if value in (None, ""):
                    raise _Unknown(f"the unknown variable :{name}")
                text = quote(self._filled(str(value)), safe="")
                url = re.sub(rf"/:{re.escape(name)}(?=[/?]|$)", f"/{text}", url)
        return url

    def _body(self, body: Mapping[str, Any], mode: str, headers: Pairs) -> Body | None:
        if mode in ("urlencoded", "formdata"):
            listed = body.get(mode)
            is_form = mode == "urlencoded"
            return ("form", self._pairs(listed)) if is_form else ("upload", [*self._parts(listed)])
        if mode == "file":
            file = as_dict(body.get("file"))
            content = file.get("content")
            text = self._filled(content) if isinstance(content, str) else ""
            return "content", text or self._file(file.get("src"))
        if mode == "graphql":
            query = as_dict(body.get("graphql"))
            given = query.get("variables")
            text = json.dumps(given) if isinstance(given, dict) else str(given or "{}")
            variables = body_of(self._filled(text), "application/json")
            sent = variables[1] if variables is not None and variables[0] == "json" else {}
            return "json", {"query": str(query.get("query") or ""), "variables": sent}
        if mode != "raw":
            return None
        text = str(body.get("raw") or "")
        language = as_dict(as_dict(body.get("options")).get("raw")).get("language")
        given = next((value for name, value in headers if name.lower() == "content-type"), "")
        kind = given or ("application/json" if language == "json" else "")
        parsed = body_of(text, kind)
        if parsed is not None and parsed[0] == "json":
            return "json", self._filled_json("", parsed[1])
        return body_of(self._filled(text), kind)  # a variable may stand for a number

    def _parts(self, listed: object) -> Iterator[FormPart]:
        for each in map(as_dict, as_list(listed)):
            if not each.get("key") or each.get("disabled"):
                continue
            name, kind = self._filled(str(each["key"])), str(each.get("contentType") or "")
            if each.get("type") != "file":
                yield FormPart(name, self._value(name, each.get("value")), content_type=kind)
                continue
            given = each.get("src")
            for source in given if isinstance(given, list) else [given]:
                path = self._file(source)
                guessed = guess_type(path.name)[0] or "application/octet-stream"
                yield FormPart(name, path, path.name, kind or guessed)

    def _file(self, source: object) -> Path:
        """Return the file that is sent: where the collection says, else in the suite."""
        if not isinstance(source, str) or not source:
            raise _Unknown("a file that the collection does not name")
        path = Path(self._filled(source))
        return path if path.is_absolute() and path.is_file() else uploaded(source)

    def _filled_json(self, name: str, value: object) -> object:
        if isinstance(value, dict):
            return {key: self._filled_json(key, each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled_json(name, each) for each in value]
        return self._value(name, value) if isinstance(value, str) else value

    def _authorized(self, given: object, headers: Pairs, url: str) -> tuple[Pairs, str]:
        """Return headers and URL with the credentials of an item."""
        kind, values = _auth_of(given)

        def value(name: str, default: str = "") -> str:
            # Credentials are replaced by variables of the environment anyway.
            return str(values.get(name) or default)

        if kind == "noauth":
            return headers, url
        if kind == "bearer":
            return [*headers, ("Authorization", f"Bearer {value('token', 'token')}")], url
        if kind == "basic":
            account = json.dumps([value("username"), value("password")])
            return [*headers, ("Authorization", f"Basic {account}")], url
        if kind == "apikey":
            key, secret = value("key", "X-Api-Key"), value("value", "key")
            if value("in") == "query":
                mark = "&" if "?" in url else "?"
                return headers, f"{url}{mark}{quote(key)}={quote(secret)}"
            return [*headers, (key, secret)], url
        self._capture.note(f"authorization {kind} is not understood: add its header")
        return headers, url

    @staticmethod
    def _credentials(given: object) -> frozenset[str]:
        kind, values = _auth_of(given)
        return frozenset([str(values.get("value") or "key")] if kind == "apikey" else [])

    def _pairs(self, listed: object) -> Pairs:
        if isinstance(listed, str):  # headers of version 2.0, as lines
            split = (line.partition(":") for line in listed.splitlines() if ":" in line)
            listed = [{"key": name.strip(), "value": value.strip()} for name, _, value in split]
        return [
            (self._filled(name := str(each.get("key"))), self._value(name, each.get("value")))
            for each in map(as_dict, as_list(listed))
            if each.get("key") and not each.get("disabled")
        ]

    def _value(self, name: str, given: object) -> str:
        """Return a value; that of a secret may have variables, since it is not written."""
        text = "" if given is None else str(given)
        return text if is_secret_name(name) else self._filled(text)

    def _filled(self, text: str, depth: int = 0) -> str:
        """Return a text with the values of its variables; raises _Unknown."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name in _MADE:
                self._capture.note(f"{{{{{name}}}}} is the same in each request")
                return _MADE[name]
            if name not in self._variables or depth > _DEEPEST:
                raise _Unknown(f"the unknown variable {name}")
            return self._filled(self._variables[name], depth + 1)

        return _VARIABLE.sub(value, text)
