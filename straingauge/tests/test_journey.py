"""Journeys: what a user does next, without any I/O."""

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from straingauge.http import (
    ErrorKind,
    Request,
    RequestFailed,
    Response,
    check_response,
    encode_headers,
)
from straingauge.journey import Execution, Journey, JourneyError, Pause, User


def response(
    request: Request | None = None,
    status: int = 200,
    body: bytes = b"{}",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Response:
    """A response, by default a fine one."""
    return Response(request or User(0).get("/x"), status, encode_headers(headers), body)


# Wording requests


def test_a_request_is_named_after_its_method_and_path():
    """A request without a name counts under its method and path, without the query."""
    user = User(0)
    assert user.get("/a/b?c=d", params={"e": "f g"}).name == "GET /a/b"
    assert user.get("/a/b?c=d", params={"e": "f g"}).target == "/a/b?c=d&e=f+g"
    assert user.delete("/a/7", name="DELETE /a/{id}").name == "DELETE /a/{id}"


def test_a_path_is_percent_encoded_once():
    """Characters that a request line must not have are encoded; encoded ones stay."""
    assert User(0).get("/caf\u00e9 x").target == "/caf%C3%A9%20x"
    assert User(0).get("/caf%C3%A9").target == "/caf%C3%A9"


def test_bodies_bring_their_content_type():
    """JSON and forms say what they are."""
    posted = User(0).post("/x", json={"a": [1]})
    assert (posted.body, posted.headers["Content-Type"]) == (b'{"a":[1]}', "application/json")
    posted = User(0).post("/x", form={"a": "b c"})
    assert posted.body == b"a=b+c"
    assert posted.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_an_authorized_user_sends_its_token_from_then_on():
    """A token counts for the next request, even for one asked for before without it."""
    user = User(0)
    assert "Authorization" not in user.get("/x").headers
    user.authorize("t1")
    assert user.get("/x").headers["Authorization"] == "Bearer t1"
    user.headers["Authorization"] = "Bearer t2"
    assert user.get("/x").headers["Authorization"] == "Bearer t2"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda user: user.get("x"),
        lambda user: user.get("ftp://elsewhere/x"),
        lambda user: user.get("/x", headers={"A": "b\r\nC: d"}),
        lambda user: user.get("/x", headers={"A b": "c"}),
        lambda user: user.get("/x", headers={"A": "\u20ac"}),
        lambda user: user.get("/x", headers={"Host": "elsewhere"}),
        lambda user: user.request("GET /", "/x"),
        lambda user: user.post("/x", json={}, content=b""),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(wrong: Callable[..., object]):
    """Broken paths, smuggled headers and two bodies are errors where they are written."""
    with pytest.raises(ValueError):  # noqa: PT011  each has its own words
        wrong(User(0))


def test_users_draw_the_same_numbers_in_every_run():
    """A user's randomness is a function of its index."""
    assert User(3).random.random() == User(3).random.random() != User(4).random.random()


# Responses


@pytest.mark.parametrize("how", ["gzip", "deflate", "x-gzip", "identity", "GZIP", "raw deflate"])
def test_encoded_bodies_are_decoded_on_demand(how: str):
    """A body is what the service meant, whatever its content encoding."""
    plain = json.dumps({"a": 1}).encode()
    raw = zlib.compressobj(wbits=-15)
    encoded = {
        "gzip": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "raw deflate": raw.compress(plain) + raw.flush(),
        "identity": plain,
    }[how.lower().replace("x-", "")]
    name = how.rsplit(maxsplit=1)[-1].encode()
    assert response(body=encoded, headers=[(b"Content-Encoding", name)]).json() == {"a": 1}


def test_a_body_that_is_not_what_it_says_fails_a_check():
    """A broken encoding is found by the first check that looks, and is the service's fault."""
    request = User(0).get("/x", checks=[lambda r: None if r.json() else "empty"])
    broken = response(request, body=b"nonsense", headers=[(b"Content-Encoding", b"gzip")])
    failure = check_response(broken)
    assert failure is not None
    assert failure.kind is ErrorKind.FAILED_CHECK
    assert "not gzip" in failure.detail


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_may_inflate_up_to_the_limit(coding: str, monkeypatch: pytest.MonkeyPatch):
    """Content of just the largest size is read; a byte more, or the end missing, is an error."""
    monkeypatch.setattr("straingauge.http.decoding.MAX_BODY_BYTES", 5_000)
    pack = gzip.compress if coding == "gzip" else zlib.compress
    headers = [(b"Content-Encoding", coding.encode())]
    assert response(body=pack(b"a" * 5_000), headers=headers).body == b"a" * 5_000
    with pytest.raises(ValueError, match="more than 5000"):
        _ = response(body=pack(b"a" * 5_001), headers=headers).body
    with pytest.raises(ValueError, match=f"not {coding}"):
        _ = response(body=pack(b"a" * 5_000)[:-1], headers=headers).body


def test_header_names_are_case_insensitive():
    """A header is found by any spelling; repeated ones are joined."""
    got = response(headers=[(b"X-A", b"1"), (b"x-a", b"2")]).headers
    assert got["X-a"] == "1, 2"
    assert "x-A" in got
    assert len(got) == 1


@pytest.mark.parametrize(
    ("status", "expect", "kind"),
    [
        (200, (200,), None),
        (404, (200, 404), None),
        (404, (200,), ErrorKind.BAD_STATUS),
        (500, (200,), ErrorKind.BAD_STATUS),
        (422, (202,), ErrorKind.BAD_STATUS),
        (429, (200,), ErrorKind.RATE_LIMITED),
        (429, (429,), None),
    ],
)
def test_only_expected_statuses_are_fine(
    status: int, expect: tuple[int, ...], kind: ErrorKind | None
):
    """Any status not expected is an error, but for 429, which counts apart."""
    failure = check_response(response(User(0).get("/x", expect=expect), status))
    assert (failure.kind if failure else None) == kind


@pytest.mark.parametrize(
    ("returned", "detail"),
    [
        (None, None),
        (True, None),
        ("its id differs", "its id differs"),
        (False, "check of_the_test returned False; to say what is wrong, return a text"),
        ("", "check of_the_test returned ''; to say what is wrong, return a text"),
        (5, "check of_the_test returned 5; to say what is wrong, return a text"),
    ],
)
def test_a_check_may_return_a_truth_value(
    returned: str | bool | int | None,  # noqa: FBT001  a parameter
    detail: str | None,
):
    """A check that returns True has passed; anything but None, True and a text needs a hint."""

    def of_the_test(_: Response) -> str | None:
        return cast("str | None", returned)  # a mistake that users make

    failure = check_response(response(User(0).get("/x", checks=[of_the_test])))
    assert (failure and failure.detail) == detail


def test_checks_run_in_order():
    """The first check that finds something wrong is the one reported."""
    request = User(0).get("/x", checks=[lambda _: None, lambda _: "first", lambda _: "second"])
    failure = check_response(response(request))
    assert failure is not None
    assert (failure.kind, failure.detail) == (ErrorKind.FAILED_CHECK, "first")


# Playing


def test_a_journey_is_driven_step_by_step():
    """Requests and pauses come out in order, and each answer goes in where it was asked for."""
    got = []

    def journey(user: User):
        got.append((yield user.get("/a")).status)
        yield Pause(2)
        got.append((yield user.get("/b")).status)

    play = Execution(journey, User(0))
    first = play.begin()
    assert isinstance(first, Request)
    assert play.answer(response(first, 200)) == Pause(2)
    second = play.resume()
    assert isinstance(second, Request)
    assert (first.target, second.target) == ("/a", "/b")
    assert play.answer(response(second, 201)) is None
    assert got == [200, 201]


def test_a_failure_arrives_at_the_yield():
    """A journey may catch its request's failure and go on."""

    def journey(user: User):
        try:
            yield user.get("/a")
        except RequestFailed as failure:
            yield user.get(f"/after/{failure.kind}")

    play = Execution(journey, User(0))
    play.begin()
    step = play.fail(RequestFailed(ErrorKind.TIMEOUT, "slow"))
    assert isinstance(step, Request)
    assert step.target == "/after/timeout"


def test_an_uncaught_failure_just_ends_the_journey():
    """A failure that is not caught ends the journey: it was counted with its request."""

    def journey(user: User):
        yield user.get("/a")

    play = Execution(journey, User(0))
    play.begin()
    assert play.fail(RequestFailed(ErrorKind.RESET, "gone")) is None


def test_a_broken_journey_says_where():
    """An exception of the journey's own names it and the request it was working on."""

    def forgetful(user: User):
        got = yield user.get("/a")
        got.json()["missing"]

    play = Execution(forgetful, User(0))
    play.begin()
    with pytest.raises(JourneyError, match="forgetful: KeyError: 'missing'") as caught:
        play.answer(response())
    assert caught.value.after is not None
    assert caught.value.after.name == "GET /a"


@pytest.mark.parametrize("journey", [lambda _: None, lambda _: (yield "/a")])
def test_other_objects_are_no_journeys(journey: Journey):
    """A function that never yields, or yields something else, is a journey error."""
    with pytest.raises(JourneyError):
        Execution(journey, User(0)).begin()


def test_giving_up_runs_the_journeys_finally():
    """A journey given up cleans up, and what it would still send is not sent."""
    cleaned = []

    def journey(user: User):
        try:
            yield user.get("/a")
        finally:
            cleaned.append(True)
            yield user.post("/logout")

    play = Execution(journey, User(0))
    play.begin()
    play.close()
    assert cleaned == [True]
