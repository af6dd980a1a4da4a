"""Redirects (RFC 9110, section 15.4), without a network."""

import pytest
from straingauge.errors import UsageError
from straingauge.http import ErrorKind, Request, RequestFailed, Response, check_response
from straingauge.http.redirects import redirect_of
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site
from straingauge.journey import User
from straingauge.journey.redirect import follow_up

UUID = "8b7e2a30-0a5b-4c1f-9d3e-5f6a7b8c9d0e"
SITE = Site.parse("http://app.example:8000", "/base")
OTHER = Site.parse("http://id.example")


def find(origin: str) -> None:
    """Allow one other host."""
    if origin != OTHER.origin:
        raise UsageError(f"{origin} is not allowed", hint="allow it")


def user_of(**settings: object) -> User:
    """A user of the target with three redirects at most."""
    user = User(0, settings=HttpSettings(max_redirects=3, **settings))  # type: ignore[arg-type]
    user.site = SITE
    return user


def response_to(request: Request, status: int, location: str) -> Response:
    """A redirect."""
    head = f"HTTP/1.1 {status} X\r\nLocation: {location}".encode("latin-1")
    return Response(request, status, head, b"")


def next_of(request: Request, status: int, location: str) -> Request:
    """The request that follows a redirect within the target."""
    response = response_to(request, status, location)
    failure = check_response(response)
    assert failure is not None
    following, failure = follow_up(user_of(), response, failure, SITE, find)
    assert failure is None
    assert following is not None
    return following


def followed(method: str = "GET", path: str = "/a", **options: object) -> Request:
    """A request whose redirects are followed."""
    return User(0).request(method, path, follow_redirects=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("PUT", 302, "PUT"),
        ("POST", 307, "POST"),
        ("DELETE", 308, "DELETE"),
    ],
)
def test_methods_change_as_the_status_says(method: str, status: int, expected: str):
    """POST becomes GET after 301 to 303, other methods after 303 alone; with it the body goes."""
    body = {"json": {"a": 1}} if method in {"POST", "PUT"} else {}
    found = next_of(followed(method, **body), status, "/base/b")
    assert found.method == expected
    assert (found.body is None) == (expected == "GET" or not body)
    assert ("Content-Type" in found.headers) == (found.body is not None)


@pytest.mark.parametrize(
    ("location", "target", "name"),
    [
        ("/base/b", "/base/b", "GET /b"),
        ("b?x=1#top", "/base/b?x=1", "GET /b"),
        ("../c", "/c", "GET /c"),
        ("?page=2", "/base/a?page=2", "GET /a"),
        ("http://APP.example:8000/base/\xc3\xa9", "/base/%C3%A9", "GET /%C3%A9"),
        ("/base/\xe9", "/base/%E9", "GET /%E9"),
        ("/base/items/173/x", "/base/items/173/x", "GET /items/{id}/x"),
        (f"/base/{UUID}", f"/base/{UUID}", "GET /{id}"),
        ("/base/reset/pX2fdfT0ken-abcdefgh", "/base/reset/pX2fdfT0ken-abcdefgh", "GET /reset/{id}"),
        ("/base/terms-and-conditions", "/base/terms-and-conditions", "GET /terms-and-conditions"),
        ("/baseball", "/baseball", "GET /baseball"),
        ("//app.example:8000", "/", "GET /"),
    ],
)
def test_locations_are_resolved(location: str, target: str, name: str):
    """A Location is relative to the request with its base path; its name has {id} for ids."""
    found = next_of(followed(), 302, location)
    assert (found.target, found.name) == (target, name)
    assert found.from_root


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://other.example/", "another origin, http://other.example: http://other.example is"),
        ("https://app.example:8000/", "to another origin, https://app.example:8000"),
        ("http://app.example/", "to another origin, http://app.example"),
        ("ftp://app.example/", "it is not http"),
        ("http://[::1/", "redirected to"),
        ("http://app.example:99999/", "redirected to"),
        ("javascript:alert(1)", "it is not http"),
    ],
)
def test_a_redirect_elsewhere_is_an_error_of_its_own(location: str, message: str):
    """A redirect to a host without permission, or to nowhere, is a failure of kind "redirect"."""
    response = response_to(followed(), 302, location)
    failure = check_response(response)
    assert failure is not None
    following, found = follow_up(user_of(), response, failure, SITE, find)
    assert following is None
    assert found is not None
    assert found.kind is ErrorKind.REDIRECT
    assert message in found.detail
    assert found.response is response


def test_a_redirect_loop_ends_at_the_limit():
    """After the limit, a redirect is a failure that names the limit."""
    request = followed()
    for _ in range(3):
        request = next_of(request, 302, "/base/a")
    with pytest.raises(RequestFailed, match="more than 3 redirects") as caught:
        redirect_of(response_to(request, 302, "/base/a"), SITE, 3)
    assert caught.value.kind is ErrorKind.REDIRECT


def test_another_origin_receives_no_credentials():
    """Headers that may be credentials stay with the origin; those of content go on."""
    user = User(0)
    user.authorize("t")
    user.headers["X-API-Key"] = "k"
    request = user.post(
        "/a", json={}, headers={"cookie": "a=b", "accept-language": "de"}, follow_redirects=True
    )
    redirect = redirect_of(response_to(request, 307, "http://other.example/x"), SITE, 3)
    assert redirect is not None
    assert redirect.request.headers == {"Content-Type": "application/json", "accept-language": "de"}
    same = next_of(request, 307, "/x")
    assert {"Authorization", "X-API-Key", "cookie"} <= same.headers.keys()


def test_a_redirect_over_another_host_and_back():
    """The other host receives no credential and shows in the name; the target has them again."""
    user = user_of(headers=(("X-Key", "k"), ("Accept", "text/html")))
    user.authorize("t")
    there = response_to(
        user.post("/in", content=b"a=1", follow_redirects=True),
        302,
        "http://id.example/auth/17?a=1",
    )
    failure = check_response(there)
    assert failure is not None
    request, failure = follow_up(user, there, failure, SITE, find)
    assert (request is not None, failure) == (True, None)
    assert request is not None
    assert (request.origin, request.target) == ("http://id.example", "/auth/17?a=1")
    assert request.name == "GET http://id.example/auth/{id}"
    assert dict(request.headers) == {"Accept": "text/html"}
    within, _ = follow_up(user, response_to(request, 302, "b"), RequestFailed("x", ""), OTHER, find)
    assert within is not None
    assert (within.origin, within.target) == ("http://id.example", "/auth/b")
    back, _ = follow_up(
        user,
        response_to(within, 302, "http://app.example:8000/base/home?code=1"),
        RequestFailed("x", ""),
        OTHER,
        find,
    )
    assert back is not None
    assert (back.origin, back.target, back.name) == (None, "/base/home?code=1", "GET /home")
    assert {"Authorization": "Bearer t", "X-Key": "k"}.items() <= dict(back.headers).items()
    assert back.from_root


def test_redirects_are_followed_only_when_asked():
    """Without `follow_redirects`, and if its status is expected, a redirect is not followed."""
    user = User(0)
    response = response_to(user.get("/a"), 302, "/b")
    failure = check_response(response)
    assert failure is not None
    assert failure.kind is ErrorKind.BAD_STATUS
    assert follow_up(user, response, failure, SITE, find) == (None, failure)
    user.follow_redirects = True
    assert user.get("/a").follow_redirects
    assert not user.get("/a", follow_redirects=False).follow_redirects
    expected = response_to(user.get("/a", expect={302}), 302, "/b")
    assert check_response(expected) is None
