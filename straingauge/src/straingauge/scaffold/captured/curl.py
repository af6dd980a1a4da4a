"""A curl command, as browsers copy it."""

import base64
import re
import shlex
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote_plus, unquote

from straingauge.errors import UsageError
from straingauge.scaffold.captured.capture import FORM, Capture, CapturedRequest, Pairs, body_of

JOURNEY: Final = "request"
MAX_CHARACTERS: Final = 1 << 20

_DATA: Final = ("--data", "--data-raw", "--data-binary", "--data-ascii")
_SHORT: Final = """
    -X=--request -H=--header -d=--data -u=--user -b=--cookie -A=--user-agent -e=--referer -F=--form
    -T=--upload-file -I=--head -G=--get -L=--location -k=--insecure -s=--silent -S=--show-error
    -v=--verbose -i=--include -f=--fail -g=--globoff -o=--output -m=--max-time -x=--proxy
    -c=--cookie-jar -w=--write-out -E=--cert -4=--ipv4 -6=--ipv6 -N=--no-buffer -#=--progress-bar
"""
_LONG: Final = dict(pair.split("=") for pair in _SHORT.split())
_WITHOUT_VALUE: Final = frozenset(
    (
        *("--head", "--get", "--location", "--insecure", "--silent", "--show-error", "--verbose"),
        *("--include", "--fail", "--globoff", "--compressed", "--ipv4", "--ipv6", "--no-buffer"),
        *("--http1.1", "--http2", "--http2-prior-knowledge", "--path-as-is", "--no-progress-meter"),
        *("--progress-bar", "--fail-with-body", "--location-trusted", "--http1.0", "--http3"),
    )
)
_NOTED: Final = {
    "--insecure": "for a certificate that is not trusted: straingauge run --insecure, or --ca-file",
    "--proxy": "for a proxy: straingauge run --proxy",
    "--cert": "for a client certificate: straingauge run --client-cert",
    "--http2": "--http2 has no effect: requests are sent with HTTP/1.1",
    "--http3": "--http3 has no effect: requests are sent with HTTP/1.1",
    "--max-time": "for a time limit: straingauge run --timeout",
}
_IGNORED_VALUES: Final = frozenset(
    (
        *("--output", "--write-out", "--cookie-jar", "--connect-timeout", "--retry", "--max-time"),
        *("--proxy", "--cert", "--key", "--cacert", "--resolve", "--max-redirs", "--interface"),
    )
)
_REFUSED: Final = {
    "--form": "multipart forms are not understood: write them with Upload",
    "--upload-file": "uploads are not understood: write them with content",
}
_ANSI_C: Final = re.compile(r"(?<![\w\\])\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r"}


def parse_curl(command: str) -> Capture:
    """Return the request of a curl command.

    Raises:
        UsageError: It is none, has an option that is not understood, or reads a file.
    """
    url, options = "", list[tuple[str, str]]()
    for name, value in _options(_words(command)):
        if name in ("", "--url"):
            if url:
                raise UsageError(f"curl: a second URL: {value!r}", hint="name one request")
            url = value
        else:
            options.append((name, value))
    if not url:
        raise UsageError("curl: the command has no URL", hint='--curl "curl https://..."')
    if "://" not in url:
        url = f"http://{url}"
    capture = Capture("a curl command", "a curl command")
    for name, _ in options:
        if name in _NOTED:
            capture.note(_NOTED[name])
    capture.journeys[JOURNEY] = [_request(url.partition("#")[0], options)]
    return capture


def _words(command: str) -> list[str]:
    if len(command) > MAX_CHARACTERS:
        raise UsageError(f"curl: the command has more than {MAX_CHARACTERS} characters")
    text = command.strip().replace("\\\r\n", " ").replace("\\\n", " ").replace("^\n", " ")
    try:
        words = shlex.split(_ANSI_C.sub(lambda found: shlex.quote(_decoded(found[1])), text))
    except ValueError as error:
        raise UsageError(
            f"curl: the command is cut off: {error}",
            hint='copy it with "Copy as cURL (bash)", and give it by standard input: --curl -',
        ) from error
    if not words or words[0].rpartition("/")[2] not in ("curl", "curl.exe"):
        begin = words[0][:40] if words else ""
        raise UsageError(f"not a curl command: it begins with {begin!r}", hint='--curl "curl ..."')
    return words[1:]


def _decoded(text: str) -> str:
    r"""Return the text of a shell's $'...', which has escapes such as \u0021."""

    def character(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        return chr(int(code, 16)) if code else _LETTERS.get(found[3], found[3])

    return _ESCAPE.sub(character, text)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each option by its long name with its value, and the URL with an empty name.

    Raises:
        UsageError: An option is not understood.
    """
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if not word.startswith("-") or word == "-":
            yield "", word
            continue
        is_long = word.startswith("--")
        name = word if is_long else _LONG.get(word[:2], word[:2])
        tail = "" if is_long else word[2:]
        if name in _WITHOUT_VALUE:
            rest += [f"-{tail}"] if tail else []
            yield name, ""
            continue
        _require_known(name, word)
        if not tail and not rest:
            raise UsageError(f"curl: {word} has no value: the command is cut off")
        yield name, tail or rest.pop()


def _require_known(name: str, word: str) -> None:
    if name in _REFUSED:
        raise UsageError(f"curl: {word[:40]}: {_REFUSED[name]}")
    if name not in (*_DATA, *_READ, *_IGNORED_VALUES):
        raise UsageError(f"curl: the option {word[:40]!r} is not understood", hint="remove it")


_READ: Final = (
    *("--request", "--header", "--user", "--cookie", "--user-agent", "--referer", "--url"),
    *("--data-urlencode", "--json", "--oauth2-bearer"),
)


def _request(url: str, options: list[tuple[str, str]]) -> CapturedRequest:
    account, url = _without_account(url)
    options = [*options, *([("--user", account)] if account else [])]
    given = dict(options)
    headers = [header for name, value in options for header in _headers(name, value)]
    data = [text for name, value in options if (text := _data(name, value)) is not None]
    text = ("" if "--json" in given else "&").join(data)
    if data and "--get" in given:
        url, text = f"{url}{'&' if '?' in url else '?'}{text}", ""
    content_type = next((value for name, value in headers if name.lower() == "content-type"), FORM)
    default = "HEAD" if "--head" in given else "POST" if text else "GET"
    return CapturedRequest(
        method=given.get("--request", default).upper(),
        url=url,
        headers=headers,
        body=body_of(text, content_type),
        follow_redirects="--location" in given or "--location-trusted" in given,
    )


def _without_account(url: str) -> tuple[str, str]:
    """Return user and password in a URL, and the URL without them."""
    found = re.match(r"([a-z]+://)([^/?#]*)@", url, re.IGNORECASE)
    return ("", url) if found is None else (unquote(found[2]), found[1] + url[found.end() :])


def _headers(name: str, value: str) -> Pairs:
    """Return the headers that an option sends."""
    if name == "--header":
        key, _, text = value.partition(":")
        return [(key.strip(), text.strip())] if text.strip() else []
    if name == "--json":
        return [("Content-Type", "application/json"), ("Accept", "application/json")]
    sent = {
        "--user": ("Authorization", f"Basic {_base64(value)}"),
        "--oauth2-bearer": ("Authorization", f"Bearer {value}"),
        "--cookie": ("Cookie", value),
    }
    return [sent[name]] if name in sent else []


def _data(name: str, value: str) -> str | None:
    """Return the data that an option sends; None for another option."""
    if name == "--data-urlencode":
        return _encoded(_own_data(name, value))
    return _own_data(name, value) if name in (*_DATA, "--json") else None


def _own_data(name: str, value: str) -> str:
    """Return data of the command itself; raises UsageError for that of a file."""
    if value.startswith("@") and name != "--data-raw":
        raise UsageError(
            f"curl: {name} {value[:40]}: data in a file are not read",
            hint=f"write them into the command: {name} '...'",
        )
    return value


def _encoded(value: str) -> str:
    name, equals, content = value.partition("=")
    return f"{name}={quote_plus(content)}" if equals and name else quote_plus(content or name)


def _base64(account: str) -> str:
    return base64.b64encode(account.encode()).decode()
