"""Cookies of a user (RFC 6265), without a network."""

import time

import pytest
from straingauge.http import encode_headers
from straingauge.http.cookies import MAX_COOKIES_PER_DOMAIN, CookieJar
from straingauge.http.site import Site
from straingauge.journey import Execution, User

HERE = Site.parse("http://127.0.0.1:8000")
SHOP = Site.parse("http://www.shop.example")


def jar_of(*values: str, site: Site = SHOP, target: str = "/a/b?q=1") -> CookieJar:
    """A jar after a response with these Set-Cookie headers."""
    jar = CookieJar()
    headers = [(b"Set-Cookie", each.encode("latin-1")) for each in values]
    jar.keep(encode_headers(headers), site, target)
    return jar


def sent(jar: CookieJar, url: str) -> str | None:
    """The Cookie header for a URL."""
    site = Site.parse(url)
    line = jar.line(site, url.removeprefix(site.origin) or "/").decode("latin-1")
    return line.removeprefix("\r\nCookie: ") or None


@pytest.mark.parametrize(
    ("value", "url", "expected"),
    [
        ("a=1", "http://www.shop.example/a/c", "a=1"),
        ("a=1", "http://www.shop.example/other", None),
        ("a=1; Path=/", "http://www.shop.example/other", "a=1"),
        ("a=1; path=/a", "http://www.shop.example/ab", None),
        ("a=1; path=/a", "http://www.shop.example/a?x=/", "a=1"),
        ("a=1; path=x", "http://www.shop.example/a/z", "a=1"),
        ("a=1; path=/", "http://shop.example/", None),
        ("a=1; path=/", "http://sub.www.shop.example/", None),
        ("a=1; path=/; domain=.SHOP.example", "http://api.shop.example/", "a=1"),
        ("a=1; path=/; domain=shop.example", "http://shop.example:81/", "a=1"),
        ("a=1; path=/; domain=shop.example", "http://myshop.example/", None),
        ("a=1; path=/; domain=", "http://www.shop.example/", "a=1"),
        ("a=1; path=/; domain=evil.example", "http://evil.example/", None),
        ("a=1; path=/; domain=example", "http://www.shop.example/", None),
        ("a=1; path=/; domain=api.www.shop.example", "http://api.www.shop.example/", None),
        ("a=1; path=/; secure", "http://www.shop.example/", None),
        ("a=b=c; path=/", "http://www.shop.example/", "a=b=c"),
        (' a = "1 2" ; path=/', "http://www.shop.example/", 'a="1 2"'),
        ("a=; path=/", "http://www.shop.example/", "a="),
        ("a=\xe9; path=/", "http://www.shop.example/", "a=\xe9"),
        ("a", "http://www.shop.example/a/", None),
        ("=1; path=/", "http://www.shop.example/", None),
        ("a=1\x01; path=/", "http://www.shop.example/", None),
        ("__Secure-a=1; path=/", "http://www.shop.example/", None),
        ("a=1; path=/; max-age=60", "http://www.shop.example/", "a=1"),
        ("a=1; path=/; max-age=0", "http://www.shop.example/", None),
        ("a=1; path=/; max-age=-1", "http://www.shop.example/", None),
        ("a=1; path=/; max-age=x", "http://www.shop.example/", "a=1"),
        ("a=1; path=/; max-age=" + "9" * 400, "http://www.shop.example/", "a=1"),
        ("a=1; path=/; expires=Sun, 06 Nov 1994 08:49:37 GMT", "http://www.shop.example/", None),
        ("a=1; path=/; expires=Sun, 06-Nov-94 08:49:37 GMT", "http://www.shop.example/", None),
        ("a=1; path=/; expires=Thu, 01 Jan 1601 00:00:00 GMT", "http://www.shop.example/", None),
        ("a=1; path=/; expires=Sun Nov  6 08:49:37 2094", "http://www.shop.example/", "a=1"),
        ("a=1; path=/; expires=99 Foo 9999", "http://www.shop.example/", "a=1"),
        ("a=1; path=/; expires=Sun, 06 Nov 1994 08:49:37 GMT; max-age=9", SHOP.origin, "a=1"),
    ],
)  # fmt: skip
def test_a_cookie_goes_where_it_may(value: str, url: str, expected: str | None):
    """Host, path, expiry and Secure decide whether a cookie is sent, as RFC 6265 has it."""
    assert sent(jar_of(value), url) == expected


@pytest.mark.parametrize(
    ("value", "site", "url", "expected"),
    [
        ("a=1; secure; path=/", "https://www.shop.example", "https://www.shop.example", "a=1"),
        ("a=1; secure; path=/", "https://www.shop.example", "http://www.shop.example", None),
        ("a=1; secure; path=/", "http://127.0.0.1", "http://127.0.0.1", "a=1"),
        ("a=1; secure; path=/", "http://localhost", "http://localhost:81", "a=1"),
        ("a=1; domain=127.0.0.1", "http://127.0.0.1", "http://127.0.0.1/a/", "a=1"),
        ("a=1; domain=localhost", "http://localhost", "http://localhost/a/", "a=1"),
        ("a=1; domain=0.0.1", "http://127.0.0.1", "http://127.0.0.1/a/", None),
        ("a=1; path=/", "http://[::1]:8000", "http://[::1]:8000", "a=1"),
        ("__Host-a=1; secure; path=/", "https://x.example", "https://x.example", "__Host-a=1"),
        ("__Host-a=1; secure", "https://x.example", "https://x.example/a/", None),
        ("__host-a=1; secure; path=/; domain=x.example", "https://x.example", "https://x.example",
         None),
    ],
)  # fmt: skip
def test_secure_cookies_need_tls_or_this_machine(
    value: str, site: str, url: str, expected: str | None
):
    """Secure cookies go over TLS or to this machine, and prefixes of names are obeyed."""
    assert sent(jar_of(value, site=Site.parse(site)), url) == expected


def test_cookies_are_replaced_removed_and_ordered():
    """A cookie of the same name, domain and path is replaced; longer paths come first."""
    jar = jar_of("a=1; path=/", "b=2; path=/a", "a=3; path=/", "c=4; path=/")
    assert sent(jar, "http://www.shop.example/a/b") == "b=2; a=3; c=4"
    jar.keep(b"\r\nSET-COOKIE: a=; Max-Age=0; Path=/", SHOP, "/")
    assert sent(jar, "http://www.shop.example/a/b") == "b=2; c=4"
    assert jar.get("a", "gone") == "gone"


def test_a_cookie_expires_while_it_is_in_use(monkeypatch: pytest.MonkeyPatch):
    """A cookie with an age is sent until it is over, although nothing else changes."""
    jar = jar_of("a=1; path=/; max-age=60", "b=2; path=/")
    url = "http://www.shop.example/"
    assert [sent(jar, url), sent(jar, url)] == ["a=1; b=2"] * 2
    later_s = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later_s)
    assert [sent(jar, url), sent(jar, url)] == ["b=2"] * 2


def test_cookie_bombs_are_bounded():
    """Cookies that are too large or too many are dropped, and the jar says so."""
    jar = jar_of("big=" + "x" * 5000, *(f"c{n}={n}; path=/" for n in range(60)))
    assert len(jar) == MAX_COOKIES_PER_DOMAIN
    assert jar.get("c59") == "59"
    assert jar.get("c0") is None
    assert len(jar.refused) == 5
    assert "more than 4096 B" in jar_of("big=" + "x" * 5000).refused[0]


def test_a_journeys_cookie_belongs_to_its_first_host():
    """A cookie that a journey sets goes to the first host with a request, and to no other."""
    jar = CookieJar()
    jar.set("key", "v")
    assert sent(jar, "http://127.0.0.1:8000/x") == "key=v"
    assert sent(jar, "http://www.shop.example/x") is None
    for name, value in (("a b", "1"), ("a", "1; b=2"), ("a", "1\r\nX: y"), ("", "1")):
        with pytest.raises(ValueError, match="cookie"):
            jar.set(name, value)


def test_cookies_per_journey_begin_with_those_of_the_log_in():
    """A journey that begins with the cookies of the log-in forgets those of the previous one."""
    user = User(0)
    user.cookie_mode = "per-journey"
    user.begin_log_in()
    user.cookies.set("sid", "1")
    user.end_log_in()
    user.cookies.set("cart", "2")

    def journey(user: User):
        yield user.get("/")

    Execution(journey, user)
    assert [each.name for each in user.cookies] == ["sid"]
    user.begin_log_in()
    assert len(user.cookies) == 0


def test_an_own_cookie_header_comes_before_the_jar():
    """A request that has the header Cookie is sent with it alone; users share no cookies."""
    user = User(0)
    user.cookies.set("a", "1")
    assert user.cookie_line(user.get("/"), HERE) == b"\r\nCookie: a=1"
    assert user.cookie_line(user.get("/", headers={"cookie": "b=2"}), HERE) == b""
    assert not User(1).has_cookies


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a=2; path=/", "a=1"),
        ("a=2; path=/a/b", "a=1"),
        ("a=; max-age=0; path=/", "a=1"),
        ("b=2; path=/", "a=1; b=2"),
    ],
)
def test_a_plain_connection_leaves_secure_cookies_alone(given: str, expected: str):
    """A Secure cookie is neither replaced nor removed nor hidden by a response without TLS."""
    jar = jar_of("a=1; secure; path=/", site=Site.parse("https://www.shop.example"))
    jar.keep(encode_headers([(b"Set-Cookie", given.encode())]), SHOP, "/")
    assert sent(jar, "https://www.shop.example/a/b") == expected
