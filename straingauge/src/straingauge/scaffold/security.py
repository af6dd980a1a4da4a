"""Authentication of a service, as source that logs a user in."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.scaffold.document import Document, Part, as_dict, as_list
from straingauge.scaffold.login_operation import LogInOperation, find_log_in
from straingauge.scaffold.operation import Operation
from straingauge.scaffold.server_url import split_url
from straingauge.scaffold.source import literal, plain
from straingauge.scaffold.token_url import token_path
from straingauge.scaffold.values import Source

_ACCOUNT: Final = '''
def account(index):
    """Initial data of user `index`: an account that all users share."""
    return {"username": setting("API_USERNAME"), "password": setting("API_PASSWORD")}
'''
_BASIC_OF: Final = '''
def basic(name, password):
    """Value of the header Authorization for an account (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
'''
_PREFIX: Final = (
    re.compile(r"prefix\W+(\w+)", re.IGNORECASE),
    re.compile(r"\b(Token|Bearer|JWT|ApiKey|Api-Key)[\s:]+[<{\[x*]", re.IGNORECASE),
)
_PASSWORD: Final = ("API_USERNAME", "API_PASSWORD")
# Schemes of IANA's registry, and two common ones, whose credentials follow from a challenge, a key
# or the request itself: a word and a token are none.
_COMPUTED: Final = frozenset(
    ("concealed", "digest", "dpop", "gnap", "hoba", "mutual", "negotiate", "oauth", "privatetoken")
).union(("scram-sha-1", "scram-sha-256", "vapid", "ntlm", "hawk"))


@dataclass(slots=True)
class LogIn:
    """A user's log-in.

    Attributes:
        code: Its source; empty if no operation of the mix needs one.
        settings: Environment variables that it reads.
        schemes: The security schemes that it satisfies.
        operation: The operation that it calls, if any.
    """

    code: str = ""
    settings: Sequence[str] = ()
    schemes: frozenset[str] = frozenset()
    operation: Operation | None = None

    def serves(self, operation: Operation) -> bool:
        """True if a logged-in user may call the operation."""
        if not operation.needs_log_in:
            return True
        return any(self.schemes >= {*each} for each in operation.security)


@dataclass(slots=True)
class _Part:
    """Lines of the log-in for one scheme, and what else they need."""

    lines: list[str]
    settings: Sequence[str] = ()
    words: str = "Send credentials that all users share."
    helpers: Sequence[str] = ()
    header: str = ""
    in_query: str = ""
    operation: Operation | None = None
    rank: int = 1
    unsupported: str = ""


@dataclass(slots=True)
class Authentication:
    """The security schemes of a document.

    Attributes:
        document: The document.
        url: Base URL of the service.
        made: All operations.
        schemes: Security schemes by name.
    """

    document: Document
    url: str
    made: Sequence[Operation]
    schemes: Mapping[str, Part] = field(init=False)

    def __post_init__(self) -> None:
        components = as_dict(self.document.content.get("components"))
        known: dict[str, Part] = {}
        for name, scheme in as_dict(components.get("securitySchemes")).items():
            try:
                known[name] = as_dict(self.document.resolved(scheme))
            except UsageError:
                known[name] = {}  # reported as a scheme that is not supported
        self.schemes = known

    def log_in(self, wanted: Sequence[Operation]) -> LogIn:
        """Choose the schemes that most operations ask for, and generate the log-in.

        Args:
            wanted: Operations that the mix would call.
        """
        asking = [each for each in wanted if each.needs_log_in]
        if not asking:
            return LogIn()
        counts = Counter(frozenset(one) for each in asking for one in each.security)
        scopes = sorted({s for each in asking for one in each.security for s in _scopes(one)})
        kinds = [{name: self._part(name, scopes) for name in one} for one in counts]
        order = sorted(
            zip(counts.values(), kinds, strict=True),
            key=lambda pair: (
                any(part.unsupported for part in pair[1].values()),
                -pair[0],
                sum(part.rank for part in pair[1].values()),
            ),
        )
        chosen = order[0][1]
        self._send_keys(chosen)
        operation = next((each.operation for each in chosen.values() if each.operation), None)
        settings = dict.fromkeys(name for each in chosen.values() for name in each.settings)
        return LogIn(_source(chosen), tuple(settings), frozenset(chosen), operation)

    def _send_keys(self, chosen: Mapping[str, _Part]) -> None:
        """Add keys that belong into the query to the operations that ask for them."""
        keys = {name: part for name, part in chosen.items() if part.in_query}
        by_path = {each.path: each for each in self.made if each.method == "get"}
        for operation in self.made if keys else ():
            operation.params |= _query_keys(operation, keys)
            if operation.rows is not None and operation.rows.path in by_path:
                own = _query_keys(by_path[operation.rows.path], keys)
                rows = operation.rows
                operation.rows = replace(rows, params={**rows.params, **own})

    def _part(self, name: str, scopes: Sequence[str]) -> _Part:
        scheme = self.schemes.get(name, {})
        kind, how = scheme.get("type"), str(scheme.get("scheme") or "").lower()
        if kind == "oauth2":
            return self._oauth2(scheme, scopes)
        without_token = _without_token(kind, how)
        if without_token is not None:
            return without_token
        is_token = kind in ("http", "openIdConnect")
        if is_token or (kind == "apiKey" and _carries_token(scheme)):
            prefix = _prefix(scheme)
            found = None if kind == "openIdConnect" else self._log_in_operation()
            if found is not None:
                return _of_operation(found, prefix)
            if is_token or prefix:
                return _of_setting(prefix)
        if kind == "apiKey" and isinstance(scheme.get("name"), str):
            return _of_key(
                scheme, name, sum(each.get("type") == "apiKey" for each in self.schemes.values())
            )
        return _Part([], unsupported=str(kind or "an undescribed scheme"), rank=9)

    def _log_in_operation(self) -> LogInOperation | None:
        basic = [n for n, s in self.schemes.items() if str(s.get("scheme")).lower() == "basic"]
        return find_log_in(self.document, self.made, basic)

    def _oauth2(self, scheme: Part, scopes: Sequence[str]) -> _Part:
        flows = as_dict(scheme.get("flows"))
        for flow, grant in (("password", "password"), ("clientCredentials", "client_credentials")):
            url = as_dict(flows.get(flow)).get("tokenUrl")
            if not isinstance(url, str):
                continue
            posts = {each.path for each in self.made if each.method == "post"}
            path = token_path(url, self.document, self.url, posts)
            if path is None:
                parts = split_url(url)
                host = parts.netloc if parts is not None else url
                return _of_setting(
                    "Bearer", f"Send a token of {host}, which is not the service under test."
                )
            return _of_grant(grant, path, scopes)
        return _of_setting("Bearer")


def _scopes(alternative: Mapping[str, Any]) -> list[str]:
    return [s for scopes in alternative.values() for s in as_list(scopes) if isinstance(s, str)]


def _query_keys(operation: Operation, keys: Mapping[str, _Part]) -> dict[str, Any]:
    asked = {name for each in operation.security for name in each}
    return {
        part.in_query: Source(f"setting({literal(part.settings[0])})")
        for name, part in keys.items()
        if name in asked
    }


def _carries_token(scheme: Part) -> bool:
    place, name = scheme.get("in"), str(scheme.get("name")).lower()
    return place == "header" and name == "authorization"


def _prefix(scheme: Part) -> str:
    """Word before the token: the scheme's name, or as its description says."""
    how = str(scheme.get("scheme") or "")
    if scheme.get("type") == "http" and how.lower() != "bearer" and re.fullmatch(r"[\w-]+", how):
        return how
    words = str(scheme.get("description") or "")
    found = next((match[1] for each in _PREFIX if (match := each.search(words))), "")
    return found or ("" if scheme.get("type") == "apiKey" else "Bearer")


def _authorize(prefix: str, token: str) -> str:
    if prefix == "Bearer":
        return f"user.authorize({token})"
    before = f"{literal(prefix + ' ')} + " if prefix else ""
    return f'user.headers["Authorization"] = {before}{token}'


def _without_token(kind: object, how: str) -> _Part | None:
    """The part for a scheme that sends no token; None for others."""
    if kind == "mutualTLS":
        return _Part([], words="Send a client certificate: --client-cert PEM.")
    if kind == "http" and how in _COMPUTED:
        return _Part([], unsupported=f"HTTP {how}", rank=9)
    if (kind, how) != ("http", "basic"):
        return None
    lines = [
        'name, password = setting("API_USERNAME"), setting("API_PASSWORD")',
        'user.headers["Authorization"] = basic(name, password)',
    ]
    words = "Send an account that all users share (RFC 7617)."
    return _Part(lines, _PASSWORD, words, (_BASIC_OF,), "Authorization")


def _of_setting(prefix: str, words: str = "") -> _Part:
    words = (
        words or "Send a token that all users share; use one per user if rate limits are per user."
    )
    line = _authorize(prefix, 'setting("API_TOKEN")')
    return _Part([line], ("API_TOKEN",), words, header="Authorization", rank=2)


def _of_grant(grant: str, path: str, scopes: Sequence[str]) -> _Part:
    scope = f', "scope": {literal(" ".join(scopes))}' if scopes else ""
    done = 'user.authorize(response.json()["access_token"])'
    if grant == "password":
        return _Part(
            [
                f'form = {{"grant_type": "password"{scope}, **user.data}}',
                f"response = yield user.post({literal(path)}, form=form)",
                done,
            ],
            _PASSWORD,
            "Get a token by the OAuth 2 password flow (RFC 6749, section 4.3).",
            (_ACCOUNT,),
            "Authorization",
            rank=0,
        )
    return _Part(
        [
            f'form = {{"grant_type": "client_credentials"{scope}}}',
            'client = basic(setting("API_CLIENT_ID"), setting("API_CLIENT_SECRET"))',
            'headers = {"Authorization": client}',
            f"response = yield user.post({literal(path)}, form=form, headers=headers)",
            done,
        ],
        ("API_CLIENT_ID", "API_CLIENT_SECRET"),
        "Get a token by the OAuth 2 client credentials flow (RFC 6749, section 4.4).",
        (_BASIC_OF,),
        "Authorization",
    )


def _of_operation(found: LogInOperation, prefix: str) -> _Part:
    operation = found.operation
    options = [literal(operation.path)]
    for name, value in (("params", operation.params), ("headers", operation.headers)):
        if value:
            options.append(f"{name}={literal(value, 8)}")
    helpers, lines = [_ACCOUNT], []
    if found.body is None:
        helpers.append(_BASIC_OF)
        lines.append(
            'headers = {"Authorization": basic(user.data["username"], user.data["password"])}'
        )
        options = [each for each in options if not each.startswith("headers=")] + [
            "headers=headers"
        ]
        if operation.body is not None:
            options.append(f"{operation.body[0]}={literal(operation.body[1], 8)}")
    else:
        options.append(f"{found.body[0]}={literal(found.body[1], 8)}")
    options.append(f"expect={literal(operation.success.expect)}")
    call = f"user.{operation.method}"
    lines.append(
        f"response = yield {call}(\n" + "".join(f"        {o},\n" for o in options) + "    )"
    )
    keys = "".join(f"[{literal(key)}]" for key in found.token)
    lines.append(_authorize(prefix or "", f"response.json(){keys}"))
    return _Part(
        lines,
        _PASSWORD,
        f"Get a token from {operation.name}.",
        helpers,
        "Authorization",
        operation=operation,
        rank=0,
    )


def _of_key(scheme: Part, name: str, count: int) -> _Part:
    place, sent = scheme.get("in"), str(scheme["name"])
    suffix = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").upper()
    setting = f"API_KEY_{suffix}" if count > 1 else "API_KEY"
    words = "Send an API key that all users share."
    value = f"setting({literal(setting)})"
    if place == "query":
        return _Part([], (setting,), "The journeys send the API key in the query.", in_query=sent)
    if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", sent, re.ASCII):
        return _Part([], unsupported=f"apiKey {sent!r} in {place}", rank=9)
    if place == "cookie":
        # With the cookies that the service sets; a header would replace them.
        line = f"user.cookies.set({literal(sent)}, {value})"
        return _Part([line], (setting,), words)
    if place == "header":
        return _Part([f"user.headers[{literal(sent)}] = {value}"], (setting,), words, header=sent)
    return _Part([], unsupported=f"apiKey in {place}", rank=9)


def _source(chosen: Mapping[str, _Part]) -> str:
    """The log-in for schemes that are sent together, with the helpers that it needs."""
    parts = [*chosen.values()]
    lines = [line for part in parts for line in part.lines]
    problems = [part.unsupported for part in parts if part.unsupported]
    headers = [part.header.lower() for part in parts if part.header]
    if len({*headers}) < len(headers):
        problems.append("several schemes in one header")
    words = plain(" ".join(dict.fromkeys(part.words for part in parts)), 90)
    if problems or not chosen:
        what = f"how a user logs in (the document requires {', '.join(problems) or 'a scheme'})"
        lines = [f"fill_in({literal(what)})"]
        words = "Log in: the document describes an authentication that is not supported."
    if not any("yield" in line for line in lines):
        lines.append("yield from ()")
    helpers = dict.fromkeys(helper for part in parts for helper in part.helpers)
    body = "".join(f"    {line}\n" for line in lines)
    return "\n".join([*helpers, f'\ndef log_in(user):\n    """{words}"""\n{body}'])
