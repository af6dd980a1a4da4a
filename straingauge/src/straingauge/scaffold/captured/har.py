"""HAR files (HTTP Archive 1.2), as browsers export them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.replay.log_time import parse_log_time
from straingauge.scaffold.captured.capture import (
    FORM,
    MULTIPART,
    Body,
    Capture,
    CapturedRequest,
    Pairs,
    body_of,
)
from straingauge.scaffold.captured.form_part import FormPart, without_lost
from straingauge.scaffold.document import as_dict, as_list

JOURNEY: Final = "recorded"
MIN_PAUSE_S: Final = 0.5  # less is the browser's work, not a person's
MAX_PAUSE_S: Final = 60.0  # more is a person who was away
_SWITCHED: Final = 101
_NOT_MODIFIED: Final = 304
_LOCAL: Final = ("data:", "blob:", "about:", "chrome-extension:", "moz-extension:")
_OWN_ERRORS: Final = range(500, 600)
_LOST: Final = "\ufffd"
_OMITTED: Final = "(binary)"  # what Chrome writes in place of a file
_DIGITS: Final = 19


class _NotCaptured(Exception):
    """The file does not have the body that was sent."""


def parse_har(content: Mapping[str, Any], source: str) -> Capture:
    """Return the requests of a HAR file, as one journey in the order of their times.

    Raises:
        UsageError: It is no HAR file, or has no requests.
    """
    entries = as_dict(content.get("log")).get("entries")
    if not isinstance(entries, list):
        raise UsageError(
            f"{source} is not a HAR file: it has no log.entries",
            hint='export one in the network tab of a browser: "Save all as HAR"',
        )
    capture = Capture(source, source, {JOURNEY: []})
    timed: list[tuple[float, float, CapturedRequest, frozenset[str]]] = []
    for entry in map(as_dict, entries):
        request = _request(entry, capture)
        if request is None:
            continue
        start_ns = parse_log_time(entry.get("startedDateTime"))
        start_s = timed[-1][0] if start_ns is None and timed else (start_ns or 0) / 1e9
        duration_ms = entry.get("time")
        is_number = isinstance(duration_ms, int | float) and duration_ms > 0
        duration_s = float(duration_ms) / 1000 if is_number else 0.0  # type: ignore[arg-type]
        timed.append((start_s, start_s + duration_s, request, _cookies_set(entry)))
    timed.sort(key=lambda each: each[0])
    capture.journeys[JOURNEY] = list(_with_pauses(timed, capture))
    if not timed:
        _require_requests(capture)
    return capture


def _require_requests(capture: Capture) -> None:
    reasons = ", ".join(f"{count} {reason}" for reason, count in capture.skipped.items())
    raise UsageError(f"{capture.source} has no request to send ({reasons or 'it is empty'})")


def _with_pauses(
    timed: Sequence[tuple[float, float, CapturedRequest, frozenset[str]]], capture: Capture
) -> list[CapturedRequest]:
    """Return the requests with the pauses of the person, and the cookies that are known."""
    requests: list[CapturedRequest] = []
    end_s, cookies = timed[0][0] if timed else 0.0, frozenset[str]()
    for start_s, ended_s, request, set_cookies in timed:
        pause_s = start_s - end_s
        if pause_s > MAX_PAUSE_S:
            capture.note(f"pauses longer than {MAX_PAUSE_S:g} s are {MAX_PAUSE_S:g} s")
        pause_s = min(pause_s, MAX_PAUSE_S) if pause_s >= MIN_PAUSE_S else 0.0
        requests.append(replace(request, pause_s=round(pause_s, 1), known_cookies=cookies))
        end_s, cookies = max(end_s, ended_s), cookies | set_cookies
    return requests


def _request(entry: Mapping[str, Any], capture: Capture) -> CapturedRequest | None:
    """Return the request of an entry; None if it is skipped."""
    recorded, response = as_dict(entry.get("request")), as_dict(entry.get("response"))
    method, url, status = recorded.get("method"), recorded.get("url"), response.get("status")
    posted = as_dict(recorded.get("postData"))
    if not isinstance(method, str) or not isinstance(url, str):
        capture.skipped["not understood: no method or URL"] += 1
        return None
    has_response = bool(response)  # without one at all, the file was written, not recorded
    if reason := _reason_against(method.upper(), url, status, has_response=has_response):
        capture.skipped[reason] += 1
        return None
    headers = _headers(recorded)
    try:
        body = _body(posted, headers)
    except _NotCaptured:
        is_lost = True
    else:
        is_lost = body is None and _sent_bytes(recorded, headers) > 0
    if is_lost:
        capture.skipped["with a body that was not captured"] += 1
        return None
    return CapturedRequest(
        method=method.upper(),
        url=url.partition("#")[0],
        headers=headers,
        body=body,
        expect=_expected(status) if isinstance(status, int) else (),
    )


def _headers(recorded: Mapping[str, Any]) -> Pairs:
    headers = _pairs(recorded.get("headers"))
    cookies = _pairs(recorded.get("cookies"))
    if cookies and not any(name.lower() == "cookie" for name, _ in headers):  # Safari
        headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies)))
    return headers


def _body(posted: Mapping[str, Any], headers: Pairs) -> Body | None:
    """Return the body of a request; raises _NotCaptured."""
    names = {name.lower(): value for name, value in headers}
    given, text = str(posted.get("mimeType") or ""), posted.get("text")
    # Firefox leaves out the boundary of a form here; the header has it.
    kind = names.get("content-type", given) if given in ("", MULTIPART) else given
    text = text if isinstance(text, str) else ""
    content: str | bytes = text
    if posted.get("encoding") == "base64":
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except ValueError as error:
            raise _NotCaptured from error
    elif kind.startswith(MULTIPART):
        body = body_of(text, kind)
        if body is not None and body[0] == "upload":
            return body
        parts = _parts(posted.get("params"))
        return ("upload", without_lost(parts)) if parts else None
    elif _LOST in text or "content-encoding" in names:
        raise _NotCaptured  # bytes that were written as text
    body = body_of(content, kind)
    form = _pairs(posted.get("params")) if kind.startswith(FORM) else []
    return ("form", form) if body is None and form else body


def _parts(listed: object) -> list[FormPart]:
    """Return the parts of a multipart form from the list of its fields."""
    parts = []
    for each in map(as_dict, as_list(listed)):
        name, value, filename = each.get("name"), each.get("value"), each.get("fileName")
        if not isinstance(name, str):
            continue
        text = value if isinstance(value, str) else ""
        if not isinstance(filename, str):
            parts.append(FormPart(name, text))
            continue
        kind = str(each.get("contentType") or "application/octet-stream")
        content = b"" if text == _OMITTED else text.encode("utf-8", "surrogatepass")
        parts.append(FormPart(name, content, filename, kind))
    return parts


def _sent_bytes(recorded: Mapping[str, Any], headers: Pairs) -> int:
    """Return how many bytes the body had, as far as that is known."""
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    size = recorded.get("bodySize")
    texts = [each for each in lengths if each.isdecimal() and len(each) < _DIGITS]
    return max([size if isinstance(size, int) else 0, *map(int, texts)])


def _reason_against(method: str, url: str, status: object, *, has_response: bool) -> str:
    """Return why a request is skipped; empty if it is not."""
    if url.startswith(("ws:", "wss:")) or status == _SWITCHED:
        return "to WebSockets"
    if url.startswith(_LOCAL):
        return "that went to no server"
    if has_response and (not isinstance(status, int) or status <= 0):
        return "without a response"
    is_own = method in ("OPTIONS", "CONNECT")
    return "with OPTIONS, which a browser sends by itself" if is_own else ""


def _expected(status: int) -> tuple[int, ...]:
    if status == _NOT_MODIFIED:
        return (200, 304)
    return () if status in _OWN_ERRORS else (status,)


def _pairs(listed: object) -> Pairs:
    return [
        (name, value)
        for each in map(as_dict, as_list(listed))
        if isinstance(name := each.get("name"), str)
        and name
        and isinstance(value := each.get("value", ""), str)
    ]


def _cookies_set(entry: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the cookies that a response sets."""
    headers = _pairs(as_dict(entry.get("response")).get("headers"))
    lines = (value for name, value in headers if name.lower() == "set-cookie")
    # Chrome writes several of them in one value, by lines.
    return frozenset(
        line.partition("=")[0].strip() for value in lines for line in value.splitlines()
    )
