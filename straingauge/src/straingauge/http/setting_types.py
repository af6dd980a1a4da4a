"""Types of the settings of connections and requests."""

import sys
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from straingauge.http.cookies import CookieMode
from straingauge.http.header_settings import parse_headers
from straingauge.http.proxy import Proxy
from straingauge.http.resolve_override import ResolveOverride
from straingauge.setting_options import SETTING_OPTIONS
from straingauge.time_text import NOT_ZERO, PATTERN, parse_time
from straingauge.toml_value import Schema, ValueType, flag, object_schema, value_type

Http2Mode: TypeAlias = Literal["negotiate", "prior-knowledge"]
"""HTTP/2 if the server chooses it in the TLS handshake (ALPN), or without asking."""


@value_type({"type": "string", "minLength": 1})
def _text(value: object) -> str:
    if not (isinstance(value, str) and value):
        raise TypeError("must be a string")
    return value


@value_type({"type": "string", "minLength": 1})
def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


@value_type(
    {
        "type": "array",
        "items": {"type": "string", "pattern": r"^(\[[^\]]+\]|[^:\[\]]+):\d{1,5}:[^\s]+$"},
    }
)
def _overrides(value: object) -> tuple[ResolveOverride, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError('must be a list of strings, like ["api.example:443:127.0.0.1"]')
    return tuple(ResolveOverride.parse(_text(each)) for each in value)


@value_type(
    {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": sys.float_info.max},
            {"type": "string", "pattern": PATTERN, "allOf": [{"pattern": NOT_ZERO}]},
        ]
    }
)
def _seconds(value: object) -> float:
    """Return a time in seconds: of an option, a text such as 500ms."""
    seconds = parse_time(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{value!r} is not a time: write seconds, or like 2s or 500ms")
    if not 0 < seconds < inf:
        raise ValueError(f"must be more than 0, not {value}")
    return float(seconds)


@value_type({"type": "string", "pattern": r"^http://([^/?#]*@)?[^/?#@\s]+/*$"})
def _proxy(value: object) -> Proxy:
    return Proxy.parse(_text(value))


@value_type({"type": "string", "pattern": "^[!-~]+$"})
def _header(value: object) -> str:
    text = _text(value)
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(f"{text!r} is not a value of the Host header, like api.example:8000")
    return text


@value_type({"enum": list(get_args(CookieMode))})
def _cookie_mode(value: object) -> CookieMode:
    for mode in get_args(CookieMode):
        if value == mode:
            return cast("CookieMode", mode)
    raise ValueError(f"must be one of {', '.join(get_args(CookieMode))}, not {value!r}")


@value_type({"enum": [True, False, "prior-knowledge"]})
def _http2_mode(value: object) -> Http2Mode | None:
    if value == "prior-knowledge":
        return "prior-knowledge"
    if not isinstance(value, bool):
        raise TypeError('must be true, false or "prior-knowledge"')
    return "negotiate" if value else None


@value_type(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^[0-9]+$", "allOf": [{"pattern": NOT_ZERO}]},
        ]
    }
)
def _count(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"must be a whole number, 1 or more, not {value!r}")
    return int(text)


@value_type({"type": "string", "pattern": "^(bearer:.|(basic|header|query|cookie):[^:]+:.)"})
def _auth(value: object) -> str:
    return _text(value)


_headers: Final = ValueType(
    parse_headers,
    {
        "anyOf": [
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "array", "items": {"type": "string", "pattern": ":"}},
        ]
    },
)

SETTINGS: Final[Mapping[str, ValueType[Any]]] = {
    "ca_file": _path,
    "client_cert": _path,
    "client_key": _path,
    "server_name": _text,
    "insecure": flag,
    "resolve": _overrides,
    "host_header": _header,
    "headers": _headers,
    "auth": _auth,
    "cookies": _cookie_mode,
    "follow_redirects": flag,
    "max_redirects": _count,
    "connect_timeout_s": _seconds,
    "first_byte_timeout_s": _seconds,
    "timeout_s": _seconds,
    "unix_socket": _path,
    "proxy": _proxy,
    "http2": _http2_mode,
}
"""The type of each setting."""


def http_schema() -> Schema:
    """Return the JSON Schema of the table ``[http]``, with the checks of `HttpSettings`."""
    described: dict[str, str] = {}
    for each in SETTING_OPTIONS:
        described.setdefault(each.setting, each.help.replace(" Repeatable.", ""))
    properties = {
        name: {**kind.schema, "description": described[name]} for name, kind in SETTINGS.items()
    }
    insecure = {"required": ["ca_file", "insecure"], "properties": {"insecure": {"const": True}}}
    return {
        **object_schema(properties, required=[]),
        "dependencies": {"client_key": ["client_cert"]},
        "allOf": [{"not": insecure}, {"not": {"required": ["unix_socket", "proxy"]}}],
    }
