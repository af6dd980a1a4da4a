"""Texts without the passwords, tokens, cookies and keys in them.

Journeys may put a response or a URL into the text of an error or the name of a request, and results
are passed on. A secret is recognised by the name before it, by its form, or because it was given to
`hide`; one that is neither named nor of a known form is not found.
"""

import base64
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "***"  # is valid in a URL, too

_NAME: Final = r"""[\w.$-]*(?:password|passwd|passphrase|passcode|pwd|secret|token|jwt|credentials?
    |(?:api|access|private|secret|auth|signing|encryption)[_-]?key|authorization|auth[_-]?header
    |cookies?|session[_-]?(?:id|key)|sessid|otp|client[_-]?assertion|code[_-]?verifier)"""
_HEADER: Final = r"(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:key|token|secret|auth))"
_QUOTED: Final = r"""(?:\\+"[^"]*?(?:\\+"|"|$)|\\+'[^']*?(?:\\+'|'|$)
    |b?"(?:[^"\\]|\\.)*(?:"|\\|$)|b?'(?:[^'\\]|\\.)*(?:'|\\|$))"""
_SECRETS: Final = re.compile(
    # Base64, as of histograms, has no "." and no "-", and is no token.
    rf"""(?-i:(?:(?<![\w-])|(?<=%[0-9A-F]{{2}}))eyJ[\w-]{{8,}}\.[\w.-]*|(?<![\w+/])eyJ[\w-]{{8,}}(?![\w+/]))
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ A-Z]*-----|\Z)
    # user:password in a URL; a host with a port and a path with an @ is none
    | (?<=://)(?:[^\s/:@"'<>]{{0,512}}:(?!\d{{1,5}}[/?\#])[^\s"'<>]{{0,512}}
        |[^\s/:@"'<>]{{1,512}})(?=@)
    | (?P<in_json>\\*["']{_NAME}\\*["']\s*(?::|=>)\s*)
      (?!null|none|true|false)(?:{_QUOTED}|\[[^\]]*(?:\]|$)|[^\s,}}\]"'{{\[]+)
    | (?P<echoed>(?<![\w.$-]){_NAME}["']\](?:(?!["']loc["']).){{0,300}}?["']input["']:\s*){_QUOTED}
    | (?P<in_tuple>["']{_HEADER}["'],\s*){_QUOTED}
    | (?P<in_header>(?<![\w-]){_HEADER}:\s*)[^\s"'][^\r\n"']*
    | (?P<in_form>(?<![\w.$-]){_NAME}(?:=|%3D)(?!=))(?:{_QUOTED}|[^\s&"'<>;,)]+)
    | (?P<in_query>[?&](?:key|sig|signature|code|auth|sid|pass)=)[^\s&"'<>\#]+
    | (?P<bearer>\bbearer\s+)(?!realm|error|token|auth|scheme)[^\s"',]+
    | (?P<basic>\bbasic\s+)(?P<account>[A-Za-z0-9+/_-]{{4,}}={{0,2}})
    | (?P<scheme>\b(?:token|apikey)\s+)[\w.~+/=-]{{16,}}
    | \b(?:sk-[\w-]{{8,}}|[prs]k_(?:live|test)_\w{{8,}}|gh[oprsu]_\w{{16,}}|github_pat_\w{{20,}}
        |glpat-[\w-]{{16,}}|xox[abeprs]-[\w-]{{10,}})
    | (?<![\w+/])(?-i:AKIA[0-9A-Z]{{16}}|AIza[\w-]{{35}})(?![\w+/])
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_IS_SECRET: Final = re.compile(_NAME, re.VERBOSE | re.IGNORECASE)
_KEPT: Final = (
    *("in_json", "echoed", "in_tuple", "in_header", "in_form", "in_query"),
    *("bearer", "basic", "scheme"),
)

MIN_HIDDEN: Final = 4  # characters of a value to hide; a shorter one is in too many texts
_MAX_VALUES: Final = 100_000
_hidden_values: set[str] = set()
_values: dict[str, set[str]] = {}  # all forms of them, by their first characters


def hide(value: str) -> None:
    """Hide a value in all texts from now on, also percent-encoded, as JSON and in Base64.

    A value of fewer than `MIN_HIDDEN` characters is not hidden.
    """
    if len(value) < MIN_HIDDEN or value in _hidden_values:
        return
    if len(_hidden_values) >= _MAX_VALUES:  # rows of a large file
        _hidden_values.clear()
        _values.clear()
    _hidden_values.add(value)
    encoded = json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode().rstrip("=")
    for each in (value, quote(value), quote(value, safe=""), quote_plus(value), *encoded):
        _values.setdefault(each[:MIN_HIDDEN], set()).add(each)


def redact(text: str) -> str:
    """Return a text with its secrets replaced by `HIDDEN`."""
    return _without_forms(_without_values(text) if _values else text)


def _without_values(text: str) -> str:
    """Return a text without the values of `hide`, one of which may be cut off at its end."""
    parts, begin, at = [], 0, 0
    while at <= len(text) - MIN_HIDDEN:
        found = 0
        for value in _values.get(text[at : at + MIN_HIDDEN], ()):
            if text.startswith(value, at) or value.startswith(text[at:]):
                found = max(found, min(len(value), len(text) - at))
        if found:
            parts += [text[begin:at], HIDDEN]
            begin = at + found
        at += found or 1
    return "".join([*parts, text[begin:]]) if parts else text


@lru_cache(maxsize=4096)  # names of requests and errors repeat
def _without_forms(text: str) -> str:
    return _SECRETS.sub(_hidden, text)


def without_secrets(value: Any) -> Any:  # noqa: ANN401  any JSON value, and the same kind back
    """Return a JSON value without the secrets in its texts and keys, and without values of secrets.

    Keys that become equal are numbered.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        found: dict[Any, Any] = {}
        for key, item in value.items():
            is_secret = isinstance(key, str) and _IS_SECRET.fullmatch(key)
            found[_unused(key, found)] = (
                HIDDEN if is_secret and isinstance(item, str) and item else without_secrets(item)
            )
        return found
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


def _hidden(found: re.Match[str]) -> str:
    if found["basic"] and not _is_account(found["account"]):
        return found[0]  # such as: Basic authentication is required
    kept = next((found[name] for name in _KEPT if found[name]), "")
    quote = re.search(r"""\\*["']$""", found[0]) if found["in_json"] or found["echoed"] else None
    return f"{kept}{quote[0]}{HIDDEN}{quote[0]}" if quote else f"{kept}{HIDDEN}"


def _is_account(text: str) -> bool:
    """Return true for "user:password" in Base64 (RFC 7617), maybe cut off."""
    whole = text.rstrip("=")
    padded = (
        whole[: len(whole) // 4 * 4] if len(whole) % 4 == 1 else whole + "=" * (-len(whole) % 4)
    )
    try:
        return base64.b64decode(padded, validate=True).decode().isprintable()
    except ValueError:  # not Base64, or not UTF-8
        return False


def _unused(key: Any, keys: Mapping[Any, Any]) -> Any:  # noqa: ANN401  as in `without_secrets`
    name = first = redact(key) if isinstance(key, str) else key
    number = 1
    while name in keys:
        number += 1
        name = f"{first} ({number})"
    return name
