"""Queries and forms, and request headers: the same in both clients."""

from collections.abc import Callable
from typing import Unpack

import pytest
from straingauge.http import FilePart, Upload
from straingauge.http.codec import encode
from straingauge.http.headers import combine
from straingauge.http.query import Pairs, encode_query
from straingauge.journey import User
from straingauge.journey.user import Options


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"a": None, "b": 1}, "b=1"),
        ({"a": [1, None, "x y"]}, "a=1&a=x+y"),
        ({"a": True, "b": False}, "a=True&b=False"),
        ([("a", 1), ("b", 2), ("a", 3)], "a=1&b=2&a=3"),
        ({"a": ("\u00fc", b"\xff")}, "a=%C3%BC&a=%FF"),
        ({"a&b": "c=d"}, "a%26b=c%3Dd"),
        ({"a": ""}, "a="),
        ({"a": []}, ""),
        ("a=1&b", "a=1&b"),
    ],
)
def test_a_query_is_encoded_as_requests_does(given: Pairs, sent: str):
    """None is skipped, a list repeats its name, and other values are sent as `str` writes them."""
    assert encode_query(given) == sent
    assert User(0).get("/x", params=given).target == (f"/x?{sent}" if sent else "/x")
    assert User(0).post("/x", form=given).body == sent.encode()


@pytest.mark.parametrize("nested", [{"a": {"b": 1}}, {"a": [[1]]}, [("a", {"b": 1})]])
def test_a_nested_value_in_a_query_is_refused(nested: Pairs):
    """No encoding of nested values is agreed on, so that each part needs a name."""
    with pytest.raises(ValueError, match=r"nested value .* 'a\[key\]'"):
        User(0).get("/x", params=nested)


def test_a_fragment_is_never_sent():
    """The part of a path from "#" on stays with the client, also before a query is added."""
    assert User(0).get("/a?b=c#d").target == "/a?b=c"
    assert User(0).get("/a#d", params={"b": "c"}).target == "/a?b=c"
    assert User(0).get("/a#d").name == "GET /a"


def lines(user: User, **options: Unpack[Options]) -> list[str]:
    """Encode a POST request; return the lines of its headers."""
    head = encode(user.post("/x", **options), b"h").partition(b"\r\n\r\n")[0]
    return head.decode().split("\r\n")[2:]


def test_a_header_replaces_those_of_its_name_in_any_case():
    """Defaults, the user's headers and the body's type are sent once, as the request has them."""
    user = User(0)
    user.authorize("token")
    user.headers["X-A"] = "user"
    own = {
        "content-type": "application/vnd.api+json",
        "AUTHORIZATION": "Basic other",
        "user-agent": "mine",
        "accept": "text/plain",
        "x-a": "own",
    }
    got = lines(user, json={}, headers=own)
    assert sorted(got) == sorted([*(f"{k}: {v}" for k, v in own.items()), "Content-Length: 2"])
    user.headers["user-agent"] = "user's"
    assert [line for line in lines(user) if "agent" in line.lower()] == ["user-agent: user's"]


def test_an_uploads_type_has_its_boundary_whatever_the_headers_say():
    """A Content-Type of the user would name no boundary, so that of the upload replaces it."""
    upload = Upload({}, {"f": FilePart(b"1")})
    got = lines(User(0), upload=upload, headers={"content-type": "multipart/form-data"})
    assert [x for x in got if "type" in x.lower()] == [f"Content-Type: {upload.content_type}"]


def test_the_last_of_equal_headers_counts():
    """Within one mapping, too, a name in two cases is sent once."""
    assert combine({"A": "1", "a": "2"}, {"b": "3"}, {"B": "4"}) == {"a": "2", "B": "4"}


@pytest.mark.parametrize(
    "make",
    [
        lambda user: user.get("/x", headers={"X-A": 5}),
        lambda user: user.get("/x", headers={"X-A": "\u20ac"}),
        lambda user: user.post("/x", json={"a": float("nan")}),
        lambda user: user.post("/x", upload=Upload({}, {"f": FilePart(b"", "n", "a\r\nB: c")})),
    ],
)
def test_what_cannot_be_sent_is_a_value_error(make: Callable[[User], object]):
    """A header that is no text, NaN in JSON or a line break in a type is refused before sending."""
    with pytest.raises(ValueError, match=r"header|JSON|type"):
        make(User(0))


def test_content_may_be_text_or_pieces():
    """Text is sent as UTF-8, and the pieces of a generator as one body that can be sent again."""
    assert User(0).post("/x", content="\u00fc").body == b"\xc3\xbc"
    assert User(0).post("/x", content=(b"%d" % n for n in range(3))).body == b"012"


def test_fields_and_files_of_a_form_may_repeat():
    """A list of values or files is sent as parts of one name, in order."""
    files = {"f": [FilePart(b"one", "1.txt"), FilePart(b"two", "2.txt")]}
    upload = Upload({"tag": ["a", "b"], "none": None, "n": 7}, files)
    body = b"".join(upload.chunks()).decode()
    assert body.count('name="tag"') == 2
    assert body.count('name="f"') == 2
    assert "none" not in body
    positions = [body.index(f"\r\n\r\n{value}\r\n") for value in ("a", "b", "7")]
    assert positions == sorted(positions)
    assert body.index("one") < body.index("two")
    assert len(body) == upload.length


def test_a_part_without_a_file_name_has_a_content_type():
    """An empty file name is not sent, so that the part is a field with a content type."""
    meta = FilePart(b'{"a": 1}', "", "application/json")
    body = b"".join(Upload({}, {"meta": meta}).chunks())
    head = b'Content-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n'
    assert head + b'{"a": 1}\r\n' in body
