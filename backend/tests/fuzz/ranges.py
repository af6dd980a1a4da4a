"""Byte ranges and conditions of recordings, compared with the recording itself."""

import hashlib
import re

from hypothesis import strategies as st
from tests.fuzz.scene import Scene
from tests.fuzz.wire import Reply, WireRequest

UNITS = ("bytes", "bytes", "bytes", "bytes", "Bytes", "items", "", "bytes ", "bytes=bytes")
ODD = (
    *("", "-", "--", "-0", "0-0-0", "a-b", "0x0-0x9", "+0-9", "1_0-2_0", "\xb2-\xb3", "0-\t9"),
    *("9" * 5000 + "-", "-" + "9" * 5000, "-1-2", "0--1", "1e1-2e1", " 0 - 9 ", "0-9;q=1", "*"),
)


def _specs(size: int) -> st.SearchStrategy[str]:
    edge = st.sampled_from((0, 1, 2, size - 2, size - 1, size, size + 1, 2**31, 2**63, 2**64))
    number = edge | st.integers(0, size)
    return st.one_of(
        st.tuples(number, number).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        number.map(lambda start: f"{start}-"),
        number.map(lambda last: f"-{last}"),
        st.sampled_from(ODD),
    )


@st.composite
def requests(draw: st.DrawFn, scene: Scene) -> WireRequest:
    """Return a request for a recording, or a part of it."""
    session_id = draw(st.sampled_from(sorted(scene.stored)))
    content = scene.stored[session_id]
    target = f"/api/sessions/{session_id}/audio"
    method = draw(st.sampled_from(("GET", "GET", "GET", "HEAD")))
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {scene.token}",
    ]
    for _ in range(draw(st.sampled_from((1, 1, 1, 1, 2)))):
        count = draw(st.sampled_from((1, 1, 1, 2, 3, 8, 100, 101, 2000)))
        if count <= 8:
            specs = [draw(_specs(len(content))) for _ in range(count)]
        else:
            step = draw(st.sampled_from((1, 2, 10)))
            specs = [f"{at * step}-{at * step}" for at in range(count)]
        comma = draw(st.sampled_from((",", ", ", " ,", ",,")))
        lines.append(f"Range: {draw(st.sampled_from(UNITS))}={comma.join(specs)}")
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    tags = (tag, f"W/{tag}", '"other"', "*", "", '"', f"{tag}, {tag}", f'"a,b", {tag}', "\xff")
    dates = ("Sun, 29 Nov 2026 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "not a date")
    for name, values in (("If-Range", tags + dates), ("If-None-Match", tags)):
        if draw(st.integers(0, 3)) == 0:
            lines.append(f"{name}: {draw(st.sampled_from(values))}")
    if draw(st.integers(0, 9)) == 0:
        lines.append(f"If-Modified-Since: {draw(st.sampled_from(dates))}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return WireRequest(head.encode("latin-1"), method, target)


def check(scene: Scene, request: WireRequest, reply: Reply) -> str | None:
    """Check that the bytes are those of the recording that the response says they are."""
    content = scene.stored[request.target.split("/")[3]]
    if request.method == "HEAD":
        return None
    if reply.status == 200:
        return None if reply.body == content else "not the whole recording"
    return _check_ranges(reply, content) if reply.status == 206 else None


def _check_ranges(reply: Reply, content: bytes) -> str | None:
    media_type = reply.headers["content-type"]
    if not media_type.startswith("multipart/byteranges"):
        return _check_part(reply.headers["content-range"], reply.body, content)
    boundary = b"--" + media_type.partition("boundary=")[2].encode()
    *parts, end = reply.body.split(boundary)
    if end.strip() != b"--":
        return "the last part has no end"
    for part in parts[1:]:
        head, _, body = part.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-range: (.*)", head)
        stated = "no Content-Range" if found is None else found[1].strip().decode()
        problem = _check_part(stated, body.removesuffix(b"\r\n"), content)
        if problem is not None:
            return problem
    return None


def _check_part(content_range: str, body: bytes, content: bytes) -> str | None:
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", content_range)
    if found is None:
        return f"Content-Range {content_range}"
    first, last, size = map(int, found.groups())
    if size != len(content) or body != content[first : last + 1]:
        return f"{content_range} has other bytes"
    return None
