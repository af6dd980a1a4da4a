"""Request lines and headers: encodings, duplicates, sizes, control characters, framing."""

from hypothesis import strategies as st
from tests.fuzz.scene import Scene, as_json
from tests.fuzz.wire import Reply, WireRequest

JSON = b"Content-Type: application/json"
METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE")
SUFFIXES = (
    *("", "", "", "", "%0A", "%00", "%0D%0A", "/", "//", "/.", "/..", "%2F", "%", "%zz", "%ff"),
    *(";a=b", "?", "?a=%00", "?a=%ff", "?a&a&&=", "?" + "a" * 9000, "#f", "%E2%80%AE", "?a=1&a=2"),
)
NAMES = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Content-Encoding"),
    *("Content-Language", "Transfer-Encoding", "TE", "Trailer", "Expect", "Connection"),
    *("Keep-Alive", "Upgrade", "HTTP2-Settings", "Host", "Authorization", "Cookie", "Origin"),
    *("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "X-Request-Id", "Range"),
    *("If-None-Match", "If-Modified-Since", "If-Match", "traceparent", "Via", "Max-Forwards"),
    *("X-HTTP-Method-Override", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Proxy-Connection"),
)
VALUES = (
    *(b"", b" ", b"a", b"*/*", b"gzip", b"identity", b"chunked", b"gzip, chunked", b"close"),
    *(b"keep-alive", b"upgrade", b"Upgrade, HTTP2-Settings", b"h2c", b"websocket", b"13"),
    *(b"100-continue", b"200-ok", b"\xff\xfe", b"\xe2\x80\xae", b"a\tb", b"a\x00b", b"a\x7fb"),
    *(b"a\x1bb", b"\r\n b", b"a" * 9000, b"a" * 40_000, b"Bearer ", b"Bearer a.b.c", b"Basic YTpi"),
    *(b"Bearer " + b"a" * 5000, b"Bearer \xff", b"127.0.0.1", b"::1", b"1.2.3.4, unknown"),
    *(b"application/json; charset=utf-16", b"application/json;charset=\xff", b"text/plain"),
    *(b"application/xml+json", b"multipart/form-data", b"application/x-www-form-urlencoded"),
    *(b"${jndi:ldap://x}", b"%0d%0aSet-Cookie: a=b", b'"', b"a,b,c" * 100, b"9" * 400, b"-1"),
)
LENGTHS = (b"0", b"-1", b"+5", b"5, 5", b"0x5", b"9" * 30, b"", b" 5 ", b"\xb2", b"5\t")


@st.composite
def _lines(draw: st.DrawFn) -> list[bytes]:
    """Return header lines."""
    odd_names = st.binary(min_size=1, max_size=8).filter(lambda name: b"\n" not in name)
    names = st.sampled_from(NAMES).map(str.encode) | odd_names
    values = st.sampled_from(VALUES) | st.binary(max_size=12).filter(lambda text: b"\n" not in text)
    colons = st.sampled_from((b": ",) * 8 + (b":", b" : ", b"", b":\t"))
    lines = []
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 2, 3, 5)))):
        line = draw(names) + draw(colons) + draw(values)
        lines += [line] * draw(st.sampled_from((1,) * 8 + (2, 101)))
    return lines


@st.composite
def requests(draw: st.DrawFn, scene: Scene) -> WireRequest:
    """Return a request with odd headers, or an odd request line."""
    patient = f"/api/patients/{scene.patient}"
    person = {"email": "nobody@example.com", "password": "Wrong-Pass-123"}
    base = draw(
        st.sampled_from(
            (
                ("GET", "/live", b""),
                ("GET", "/", b""),
                ("GET", "/api/sessions/", b""),
                ("GET", "/api/v1/auth/me", b""),
                ("GET", patient, b""),
                ("PATCH", patient, as_json({"phone": "+43 1 234567"})),
                ("POST", "/api/v1/auth/refresh", as_json({"refresh_token": "a"})),
                ("POST", "/api/v1/auth/logout", as_json({"refresh_token": "a"})),
                ("POST", "/api/patients/", as_json({"full_name": "Bo"})),
                ("POST", "/api/patients/", as_json(person)),
            )
        )
    )
    method, path, body = base
    if draw(st.integers(0, 4)) == 0:
        method = draw(st.sampled_from(METHODS))
    target = path + draw(st.sampled_from(SUFFIXES))
    form = draw(st.sampled_from(("{}",) * 12 + ("http://localhost{}", "//localhost{}", "*", "a:1")))
    version = draw(
        st.sampled_from((b"HTTP/1.1",) * 12 + (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""))
    )
    shown = form.format(target)
    lines = [f"Authorization: Bearer {scene.token}".encode(), b"Host: localhost"]
    if body:
        lines.append(JSON)
    lines += draw(_lines())
    is_complete = True
    if body or draw(st.integers(0, 9)) == 0:
        length = draw(st.sampled_from((b"%d" % len(body),) * 12 + LENGTHS))
        lines.append(b"Content-Length: " + length)
        is_complete = length.strip() == b"%d" % len(body)
    lines = list(draw(st.permutations(lines)))
    names = b"\n".join(line.partition(b":")[0].strip().lower() for line in lines)
    if names.count(b"content-length") != bool(body) or b"transfer-encoding" in names:
        is_complete = False  # its end depends on who reads it
    head = b"\r\n".join(
        [b"%s %s %s" % (method.encode(), shown.encode(), version), *lines, b"", b""]
    )
    return WireRequest(
        head + body,
        method,
        target.partition("#")[0],
        is_plain=form == "{}" and version == b"HTTP/1.1",
        is_complete=is_complete and version in {b"HTTP/1.1", b"HTTP/1.0"},
    )


def check(_scene: Scene, _request: WireRequest, reply: Reply) -> str | None:
    """Check that no header of the response has anything of the request but its id."""
    if "set-cookie" in reply.headers:
        return "the response has a header that the request made up"
    return None
