"""A curl command, as browsers copy it, and as people write it."""

import base64
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, unquote

from straingauge.errors import UsageError
from straingauge.scaffold.captured.capture import (
    FORM,
    Body,
    Capture,
    CapturedRequest,
    Pairs,
    body_of,
)
from straingauge.scaffold.captured.curl_form import bytes_of, content_of, file_of, parts_of
from straingauge.scaffold.captured.curl_options import options_of
from straingauge.scaffold.captured.shell_words import COMMAND_END, split_words

JOURNEY: Final = "request"
MAX_CHARACTERS: Final = 1 << 20

Options = list[tuple[str, str]]

_DATA: Final = ("data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json")
_NOTED: Final = {
    "insecure": "for a certificate that is not trusted: straingauge run --insecure, or --ca-file",
    "proxy": "for a proxy: straingauge run --proxy",
    "cert": "for a client certificate: straingauge run --client-cert",
    "unix-socket": "for a unix socket: straingauge run --unix-socket",
    "resolve": "for another address: straingauge run --resolve",
    "http3": "--http3 has no effect",
    "max-time": "for a time limit: straingauge run --timeout",
    **{
        name: f"authentication with --{name} is not supported: no credentials are sent"
        for name in ("digest", "ntlm", "negotiate", "anyauth", "aws-sigv4", "netrc")
    },
}
_NO_BASIC: Final = frozenset({"digest", "ntlm", "negotiate", "anyauth", "aws-sigv4"})
_BEFORE: Final = re.compile(r"[$%>#]|sudo|time|exec|env|&|[A-Za-z_]\w*=.*", re.DOTALL)
_COMMAND_ENDS: Final = frozenset({COMMAND_END, "&", "&&"})
_PATTERN: Final = re.compile(r"\[\w+-\w+(?::\d+)?\]|\{[^{}]*,[^{}]*\}")
_SHELL_VARIABLE: Final = re.compile(r"\$\{?[A-Za-z_]\w*\}?")


def parse_curl(command: str, base_url: str = "http://localhost:8000") -> Capture:
    """Return the requests of a curl command, or of those of a script, one to a line.

    Args:
        command: The command as a shell of Unix or Windows reads it.
        base_url: Stands for a variable of the shell at the begin of a URL.

    Raises:
        UsageError: It is none, has an option that is not understood, or names a file that cannot be
            read.
    """
    capture = Capture("a curl command", "a curl command", {JOURNEY: []})
    for options in (each for words in _commands(command) for each in _groups(words)):
        for name, _ in options:
            if name in _NOTED:
                capture.note(_NOTED[name])
        if any(name == "cookie" and "=" not in value for name, value in options):
            capture.note("cookies of a file are not read")
        for url in [value for name, value in options if name == "url"]:
            if "globoff" not in dict(options) and _PATTERN.search(url):
                raise UsageError(
                    f"curl: {url[:200]!r} stands for several URLs",
                    hint="name them one by one, or add -g if it is one",
                )
            request = _request(_whole(url, base_url).partition("#")[0], options)
            capture.journeys[JOURNEY].append(request)
    if not capture.requests:
        raise UsageError("curl: the command has no URL", hint='--curl "curl https://..."')
    return capture


def _commands(command: str) -> Iterator[list[str]]:
    """Yield the words behind each curl of a script; the first command must be one.

    Browsers copy several requests so, with ";" or, for Windows, "&" between them.
    """
    if len(command) > MAX_CHARACTERS:
        raise UsageError(f"curl: the command has more than {MAX_CHARACTERS} characters")
    try:
        words = split_words(command.strip())
    except ValueError as error:
        raise UsageError(
            f"curl: the command is cut off: {error}",
            hint='copy it with "Copy as cURL", and give it by standard input: --curl -',
        ) from error
    groups = [
        list(group) for is_end, group in groupby(words, _COMMAND_ENDS.__contains__) if not is_end
    ]
    for number, group in enumerate(groups or [[""]]):
        given = group[:1]
        while group and _BEFORE.fullmatch(group[0]):
            group = group[1:]  # noqa: PLW2901  what comes before a command
        if group and re.split(r"[/\\]", group[0])[-1].lower() in ("curl", "curl.exe"):
            yield group[1:]
        elif not number:
            begin = (group or given)[0][:40]
            raise UsageError(
                f"not a curl command: it begins with {begin!r}",
                hint='--curl "curl ..."; in a browser: "Copy as cURL"',
            )


def _groups(words: list[str]) -> Iterator[Options]:
    """Yield the options of each group of URLs; --next begins another one."""
    group: Options = []
    for name, value in options_of(words):
        if name == "next":
            yield group
            group = []
        else:
            group.append((name, value))
    yield group


def _whole(url: str, base_url: str) -> str:
    """Return a URL with a scheme, and the base URL for a variable at its begin."""
    if found := _SHELL_VARIABLE.match(url):
        return base_url + url[found.end() :]
    return url if "://" in url else f"http://{url}"


def _request(url: str, options: Options) -> CapturedRequest:
    account, url = _without_account(url)
    options = [*options, *([("user", account)] if account else [])]
    given = dict(options)
    if _NO_BASIC & given.keys():
        options = [(name, value) for name, value in options if name != "user"]
    headers = [header for name, value in options for header in _headers(name, value)]
    body, query = _body(options, headers)
    if body is not None and not _type_of(headers) and any(name in _DATA for name in given):
        headers.append(("Content-Type", FORM))
    if "upload-file" in given and url.endswith("/"):  # the file's name completes the URL
        url += quote(file_of(given["upload-file"], "upload-file").name)
    if query:
        url = f"{url}{'&' if '?' in url else '?'}{query}"
    has_data = any(name in (*_DATA, "form", "form-string") for name in given)
    default = "POST" if has_data and "get" not in given else "GET"
    default = "PUT" if "upload-file" in given else default
    return CapturedRequest(
        method=given.get("request", "HEAD" if "head" in given else default).upper(),
        url=url,
        headers=headers,
        body=body,
        follow_redirects="location" in given or "location-trusted" in given,
    )


def _body(options: Options, headers: Pairs) -> tuple[Body | None, str]:
    """Return the body of a request, and what is added to the query of its URL."""
    given = dict(options)
    added = [_encoded(value) for name, value in options if name == "url-query"]
    data = [(name, value) for name, value in options if name in _DATA]
    forms = [(name, value) for name, value in options if name in ("form", "form-string")]
    if (file := given.get("upload-file")) is not None:
        return ("content", file_of(file, "upload-file")), "&".join(added)
    if forms:
        parts = [part for name, value in forms for part in parts_of(value, name)]
        return ("upload", parts), "&".join(added)
    pieces = [_data(name, value) for name, value in data]
    files = [piece for piece in pieces if isinstance(piece, Path)]
    if files:
        if len(pieces) > 1 or "get" in given:
            raise UsageError(
                f"curl: {files[0]} is too long for a query, or to be joined with other data",
                hint="send the file as the only data of a body",
            )
        return ("content", files[0]), "&".join(added)
    whole = (b"" if "json" in given else b"&").join(
        piece for piece in pieces if isinstance(piece, bytes)
    )
    if "get" in given:
        return None, "&".join([*added, *([whole.decode("utf-8", "replace")] if whole else [])])
    return body_of(_as_text(whole), _type_of(headers) or FORM), "&".join(added)


def _type_of(headers: Pairs) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _as_text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _data(name: str, value: str) -> bytes | Path:
    """Return the data that an option sends, or the path of a long file."""
    if name == "data-urlencode":
        return _encoded(value).encode()
    if not value.startswith("@") or name == "data-raw":
        return value.encode("utf-8", "surrogatepass")
    content = content_of(value[1:], name)
    if isinstance(content, bytes) and name in ("data", "data-ascii"):
        return re.sub(rb"[\r\n\0]", b"", content)
    return content


def _without_account(url: str) -> tuple[str, str]:
    """Return user and password in a URL, and the URL without them."""
    found = re.match(r"([a-z]+://)([^/?#]*)@", url, re.IGNORECASE)
    return ("", url) if found is None else (unquote(found[2]), found[1] + url[found.end() :])


def _headers(name: str, value: str) -> Pairs:
    """Return the headers that an option sends."""
    if name == "header":
        return [*_own_headers(value)]
    if name == "json":
        return [("Content-Type", "application/json"), ("Accept", "application/json")]
    if name == "cookie":
        return [("Cookie", value)] if "=" in value else []
    sent = {
        "user": ("Authorization", f"Basic {_base64(value)}"),
        "oauth2-bearer": ("Authorization", f"Bearer {value}"),
        "range": ("Range", f"bytes={value}"),
    }
    return [sent[name]] if name in sent else []


def _own_headers(value: str) -> Iterator[tuple[str, str]]:
    lines = [value]
    if value.startswith("@"):
        lines = bytes_of(value[1:], "header").decode("utf-8", "replace").splitlines()
    for line in lines:
        key, colon, text = line.partition(":")
        if not colon and line.endswith(";"):
            yield line[:-1].strip(), ""
        elif text.strip():  # without a value, a header of curl itself is not sent
            yield key.strip(), text.strip()


def _encoded(value: str) -> str:
    """Return the value of data-urlencode: content, =content, name=content, or a file behind @."""
    found = re.match("[=@]|[^=@]*[=@]", value)
    if found is None:
        return quote_plus(value)
    name, mark, content = found[0][:-1], found[0][-1], value[found.end() :]
    encoded = quote_plus(bytes_of(content, "data-urlencode") if mark == "@" else content)
    return f"{name}={encoded}" if name else encoded


def _base64(account: str) -> str:
    return base64.b64encode(account.encode("utf-8", "surrogatepass")).decode()
