"""Cursors and limits of lists: damaged, forged and those of other lists."""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st
from tests.fuzz.scene import Scene
from tests.fuzz.wire import Reply, WireRequest

KEYS = (
    *("", "A", "\x00", "\ud800", "\u202e", "a" * 700, "2026-01-01", "2026-01-01T00:00:00"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00+99:99"),
    *("2026-W01-1", "20260101", "infinity", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.9999999Z"),
    *("-1", "\u0662\u0660\u0662\u0666-01-01", "2026-01-01T00:00:00Z'; DROP TABLE users"),
)
IDS = (
    *("", "0" * 32, "f" * 32, "{" + "0" * 32 + "}", "urn:uuid:" + "0" * 32, "0" * 31, "z" * 32),
    *("0" * 33, "\u0660" * 32, "00000000-0000-0000-0000-000000000000"),
)
LIMITS = ("1", "200", "0", "-1", "201", "", "1e2", "1.0", "\u0661", "9" * 5000, "null", " 1", "1_0")


def _json() -> st.SearchStrategy[Any]:
    simple = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KEYS + IDS)
    return st.recursive(simple, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@st.composite
def cursors(draw: st.DrawFn, scene: Scene) -> str:
    """Return a cursor: one of a list, damaged, forged, or any text."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.sampled_from(sorted(scene.cursors.values())))
    if kind == 1:
        cursor = bytearray(draw(st.sampled_from(sorted(scene.cursors.values()))), "ascii")
        for _ in range(draw(st.integers(1, 3))):
            cursor[draw(st.integers(0, len(cursor) - 1))] = draw(st.integers(33, 126))
        return cursor.decode()
    if kind == 2:
        return _encode(json.dumps([draw(st.sampled_from(KEYS)), draw(st.sampled_from(IDS))]))
    if kind == 3:
        return _encode(json.dumps(draw(_json())))
    return draw(st.text(st.characters(codec="utf-8"), max_size=1100))


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@st.composite
def requests(draw: st.DrawFn, scene: Scene) -> WireRequest:
    """Return a request for a page of a list."""
    path = draw(st.sampled_from(sorted(scene.cursors)))
    query = [
        ("cursor", draw(cursors(scene))) for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2))))
    ]
    if draw(st.booleans()):
        query.append(("limit", draw(st.sampled_from(LIMITS))))
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(("patient_id", "status", "q", "cursor[]", "\x00")))
        values = (scene.patient, scene.stranger, "x", "uploading", "\x00", "")
        query.append((name, draw(st.sampled_from(values))))
    encode = draw(st.sampled_from((quote, lambda text, *_: text)))
    text = urlencode(draw(st.permutations(query)), quote_via=encode)
    text = "".join(each if "!" <= each <= "~" and each != "#" else quote(each) for each in text)
    target = f"{path}?{text}"
    head = (
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {scene.token}\r\n\r\n"
    )
    return WireRequest(head.encode(), "GET", target)


def check(scene: Scene, request: WireRequest, reply: Reply) -> str | None:
    """Check that a page has only rows of the therapist's own records."""
    if reply.status == 200 and scene.stranger in reply.body.decode():
        return "a row of another therapist"
    if reply.status == 400 and json.loads(reply.body)["error"]["code"] != "bad_cursor":
        return f"{request.target[:50]}: another 400"
    return None
