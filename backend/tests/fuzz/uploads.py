"""Uploads: boundaries, part headers, names, framing, and broken recordings of every format."""

import hashlib
import json

from hypothesis import strategies as st
from recordings import wav_header
from tests.fuzz.scene import Scene, files
from tests.fuzz.wire import Reply, WireRequest

TARGET = "/api/sessions/upload"
SIZES = (0, 1, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 70_000)
"""Sizes next to those at which the service looks at a recording."""
BOUNDARIES = (
    *(b"x", b"----WebKitFormBoundary7MA4YWxkTrZu0gW", b"a" * 70, b"a" * 71, b"a" * 600),
    *(b"'()+_,-./:=?", b"x y", b"\xe9\xff", b"--", b"-", b"\x00", b'q"uoted', b"x;y", b""),
)
NAMES = (
    *(b"file", b"file", b"file", b"patient_id", b"patient_id", b"session_date", b"notes", b"x"),
    *(b"", b"FILE", b"file\x00", b"\xff\xfe", b"a" * 5000, b"patient_id[]", b"__proto__"),
)
FILE_NAMES = (
    *(b"a.wav", b"../../etc/passwd", b"a\x00.wav", b"\xff\xfe", b"a" * 3000, b'a"b', b"a;b=c"),
    *(b"\xe2\x80\xae.wav", b"C:\\a.wav", b"", b"CON", b"a\tb"),
)
VALUES = (
    *(b"", b"2026-01-02T03:04:05Z", b"2026-01-02", b"1900-01-01T00:00:00+14:00", b"calm"),
    *(b"2199-12-31T23:59:59-12:00", b"\x00", b"\xff", b"\xed\xa0\x80", b"a" * 20_001, b"null"),
)


@st.composite
def recordings(draw: st.DrawFn) -> bytes:
    """Return a recording, whole or broken."""
    if draw(st.booleans()):
        content = draw(st.sampled_from(list(files().values())))
    else:
        number = st.integers(0, 2**32 - 1)
        content = wav_header(
            draw(st.sampled_from((0, 1, 2, 3, 6, 7, 85, 0xFFFE, 0xFFFF))),
            draw(st.sampled_from((0, 1, 2, 8, 9, 65535))),
            draw(st.sampled_from((0, 1, 8000, 16_000, 192_000, 192_001, 2**32 - 1))),
            frame_bytes=draw(st.sampled_from((0, 1, 2, 3, 4, 32, 65535))),
            bits=draw(st.sampled_from((0, 1, 8, 12, 16, 24, 32, 33, 65535))),
            data_bytes=draw(st.sampled_from((0, 1, 1000, 2**31, 2**32 - 1)) | number),
            before=draw(st.sampled_from((b"", b"LIST\x01\x00\x00\x00aa", b"fmt \x00\x00\x00\x00"))),
            riff=draw(st.sampled_from((b"RIFF", b"RF64", b"BW64", b"RIFX"))),
        ) + bytes(2000)
    size = draw(st.none() | st.sampled_from(SIZES))
    if size is not None:
        content = (content * (size // max(len(content), 1) + 1))[:size]
    changed = bytearray(content)
    for _ in range(draw(st.integers(0, 4)) if changed else 0):
        at = draw(st.integers(0, min(len(changed), 200) - 1))
        changed[at] = draw(st.integers(0, 255))
    return bytes(changed)


@st.composite
def part_heads(draw: st.DrawFn) -> bytes:
    """Return the header lines of a part."""
    name, file_name = draw(st.sampled_from(NAMES)), draw(st.sampled_from(FILE_NAMES))
    disposition = draw(
        st.sampled_from(
            (
                b'form-data; name="%s"' % name,
                b'form-data; name="%s"' % name,
                b'form-data; name="%s"; filename="%s"' % (name, file_name),
                b'form-data; name="%s"; filename="%s"' % (name, file_name),
                b"form-data; name=%s" % name,
                b"form-data; name*=utf-8''%s; filename*=utf-8''%%ff" % name,
                b'form-data; name="%s"; name="notes"' % name,
                b'attachment; name="%s"' % name,
                b"form-data",
                b"",
            )
        )
    )
    lines = [b"Content-Disposition: " + disposition]
    others = (
        *(b"Content-Type: audio/wav", b"Content-Transfer-Encoding: base64", b"Content-Type: \xff"),
        *(b"A: " + b"a" * 5000, b"A", b": b", b"Content-Encoding: gzip", b"A:\x00"),
    )
    lines += draw(st.lists(st.sampled_from(others), max_size=3))
    if draw(st.integers(0, 9)) == 0:
        lines += [b"Content-Disposition: " + disposition] * draw(st.integers(1, 20))
    ordered: list[bytes] = draw(st.permutations(lines))
    return b"\r\n".join(ordered)


@st.composite
def forms(draw: st.DrawFn, scene: Scene, boundary: bytes) -> bytes:
    """Return a form, valid or not."""
    line_end = draw(st.sampled_from((b"\r\n",) * 6 + (b"\n", b"\r")))
    delimiter = b"--" + boundary
    body: bytes = draw(st.sampled_from((b"",) * 6 + (b"\r\n", b"preamble\r\n", b"a" * 5000)))
    fields = st.sampled_from((*VALUES, scene.patient.encode(), scene.stranger.encode()))
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 2, 2, 3, 4, 18)))):
        content = draw(recordings() | fields)
        head = draw(part_heads())
        body += delimiter + line_end + head + line_end * 2 + content + line_end
    end: bytes = draw(
        st.sampled_from((b"--\r\n",) * 6 + (b"--", b"", b"\r\n", b"--\r\nepilogue" * 300))
    )
    return body + delimiter + end


@st.composite
def bodies(draw: st.DrawFn, scene: Scene) -> tuple[bytes, bytes]:
    """Return a content type and a body: a form that should be accepted, or anything."""
    if draw(st.booleans()):
        text = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        patient = text % (b"patient_id", scene.patient.encode())
        file = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        file += draw(recordings()) + b"\r\n"
        parts = draw(st.permutations([patient, file]))
        return b"multipart/form-data; boundary=x", b"".join(parts) + b"--x--\r\n"
    boundary = draw(st.sampled_from(BOUNDARIES))
    content_type = draw(
        st.sampled_from(
            (
                b"multipart/form-data; boundary=%s" % boundary,
                b"multipart/form-data; boundary=%s" % boundary,
                b'multipart/form-data; boundary="%s"' % boundary,
                b"Multipart/Form-Data ; charset=utf-8; Boundary=%s" % boundary,
                b"multipart/form-data; boundary=%s; boundary=y" % boundary,
                b"multipart/form-data; boundary*=utf-8''%s" % boundary,
                b"multipart/form-data",
                b"multipart/mixed; boundary=%s" % boundary,
                b"application/json",
                b"",
            )
        )
    )
    return content_type, draw(forms(scene, boundary))


@st.composite
def requests(draw: st.DrawFn, scene: Scene) -> WireRequest:
    """Return a request to upload."""
    content_type, body = draw(bodies(scene))
    queries = ("", "", f"?patient_id={scene.patient}", f"?patient_id={scene.stranger}")
    query = draw(st.sampled_from((*queries, "?patient_id=", "?patient_id=x&patient_id=y")))
    lines = [
        f"POST {TARGET}{query} HTTP/1.1\r\nHost: localhost".encode(),
        f"Authorization: Bearer {scene.token}".encode(),
        b"Content-Type: " + content_type,
    ]
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        body = _chunked(body, draw(st.sampled_from((1, 7, 1000, 65_536))))
    return WireRequest(b"\r\n".join([*lines, b"", b""]) + body, "POST", TARGET + query)


def _chunked(body: bytes, size: int) -> bytes:
    if len(body) > 1000 * size:
        size = len(body)
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def check(_scene: Scene, request: WireRequest, reply: Reply) -> str | None:
    """Check that what was accepted is what was sent, byte for byte."""
    if reply.status != 202:
        return None
    accepted = json.loads(reply.body)
    sent = request.data
    if b"Transfer-Encoding: chunked" in sent.partition(b"\r\n\r\n")[0]:
        return None  # the content is cut by the chunks
    size = accepted["size_bytes"]
    digests = (
        hashlib.sha256(sent[start : start + size]).hexdigest()
        for start in _starts(sent, b"\r\n\r\n")
    )
    if accepted["sha256"] not in set(digests):
        return "the accepted recording is not what was sent"
    return None


def _starts(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at + len(mark))
        at = data.find(mark, at + 1)
    return found
