"""Headers and credentials of all requests: the table [http], options, and Python."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_server import answering, serve
from straingauge.errors import UsageError
from straingauge.http.authentication import Auth, api_key, basic_auth, bearer_auth
from straingauge.http.blocking import BlockingConnection
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site
from straingauge.journey import User

from straingauge import redaction

HERE = Site.parse("http://127.0.0.1")
SECRET = "pa:ss wörd"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Hide no secret of one test in the next one."""
    yield
    redaction._hidden_values.clear()
    redaction._values.clear()


def user_of(folder: Path = Path(), **values: object) -> User:
    """A user of a load with these settings."""
    return User(0, None, HttpSettings.of(values, folder))


def test_headers_of_all_requests(monkeypatch: pytest.MonkeyPatch):
    """Each request has the headers of the settings, unless it has its own of that name."""
    monkeypatch.setenv("TENANT_KEY", "s3cret-of-acme")
    user = user_of(headers=["X-Tenant: acme", "X-Key:  ${TENANT_KEY} "])
    assert user.get("/").headers == {"X-Tenant": "acme", "X-Key": "s3cret-of-acme"}
    assert user.get("/", headers={"x-tenant": "b"}).headers["x-tenant"] == "b"
    assert redaction.redact("the key s3cret-of-acme is wrong") == "the key *** is wrong"


def test_headers_of_options_are_added_to_those_of_the_table():
    """An option replaces the header of its name in the table, and keeps the others."""
    table = HttpSettings.of({"headers": {"X-A": "1", "X-B": "2"}}, Path())
    both = HttpSettings.of({"headers": ("x-b: 3",)}, Path()).over(table)
    assert both.headers == (("X-A", "1"), ("x-b", "3"))
    assert both.as_dict() == {"headers": ["X-A", "x-b"]}
    assert "acme" not in repr(HttpSettings.of({"headers": ["X: acme"]}, Path()))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("headers", ["X-A"], "'X-A' is no header"),
        ("headers", [" : 1"], "cannot be sent"),
        ("headers", ["X-A: a\nb"], "cannot be sent"),
        ("headers", ["Host: x"], "is not set by hand"),
        ("headers", ["X-A: ${STRAINGAUGE_NOT_SET}"], "STRAINGAUGE_NOT_SET is not set"),
        ("headers", {"X-A": 3}, "X-A must be a string"),
        ("headers", "X-A: 1", "must be a table"),
        ("auth", "basic:user", "must have one of the forms basic:USER:SECRET"),
        ("auth", "digest:a:b", "must have one of the forms"),
        ("auth", "bearer:", "must have one of the forms"),
        ("auth", "bearer:env:STRAINGAUGE_NOT_SET", "STRAINGAUGE_NOT_SET is not set"),
        ("auth", "header:X Y:key", "cannot be sent"),
        ("auth", "cookie:a b:key", "is not the name of a cookie"),
        ("auth", "bearer:a\r\nX: y", "cannot be sent"),
        ("auth", 3, "must be a string"),
        ("cookies", "yes", "must be one of per-user, per-journey, off"),
        ("max_redirects", "0", "must be a whole number, 1 or more"),
        ("max_redirects", True, "must be a whole number"),
        ("follow_redirects", "yes", "must be true or false"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: object, message: str):
    """A header or credential that cannot be sent is an error before the load."""
    with pytest.raises(UsageError) as caught:
        user_of(**{name: value})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (
            basic_auth("Aladdin", "open sesame"),
            ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        (basic_auth("test", "123£"), ("Authorization", "Basic dGVzdDoxMjOj")),
        (basic_auth("u", "€"), ("Authorization", "Basic dTrigqw=")),
        (bearer_auth("abc"), ("Authorization", "Bearer abc")),
        (api_key("k", header="X-API-Key"), ("X-API-Key", "k")),
    ],
)
def test_credentials_in_headers(auth: Auth, header: tuple[str, str]):
    """Passwords, tokens and keys become headers, as in RFC 7617 and RFC 6750."""
    user = User(0)
    user.headers["authorization"] = "old"
    user.authorize(auth)
    headers = user.get("/").headers
    assert headers[header[0]] == header[1]
    assert "old" not in headers.values() or header[0] != "Authorization"


def test_a_key_in_the_query_or_a_cookie():
    """A key in the query precedes a request's own parameters; no name of a request shows it."""
    user = User(0)
    user.authorize(api_key("a b", query="key"))
    assert user.get("/x?y=1", params={"z": 2}).target == "/x?y=1&key=a+b&z=2"
    assert user.get("/x#top").target == "/x?key=a+b"
    assert user.get("/x").name == "GET /x"
    user.authorize(api_key("v", cookie="sid"))
    assert user.get("/x").target == "/x"
    assert user.cookie_line(user.get("/x"), HERE) == b"\r\nCookie: sid=v"
    with pytest.raises(ValueError, match="name of a header"):
        api_key("v")


def test_secrets_come_from_files_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The setting auth reads its secret; results and messages show it in no form."""
    (tmp_path / "password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("LOAD_KEY", "k-0123456789")
    user = user_of(tmp_path, auth="basic:load:file:password")
    sent = user.get("/").headers["Authorization"]
    assert sent == basic_auth("load", SECRET).headers[0][1]
    key = user_of(auth="query:key:env:LOAD_KEY")
    text = json.dumps([sent, SECRET, key.get("/").target], ensure_ascii=False)
    shown = redaction.redact(text)
    assert SECRET not in shown
    assert "k-0123456789" not in shown
    assert sent.partition(" ")[2] not in shown
    given = {"auth": "query:key:env:LOAD_KEY", "cookies": "off", "max_redirects": 3}
    settings = HttpSettings.of(given, tmp_path)
    shown_settings = redaction.without_secrets(settings.as_dict())
    assert shown_settings == {"auth": "query key", "max_redirects": 3, "cookie_mode": "off"}
    assert "k-0123456789" not in repr(settings)


def test_probes_and_metrics_are_authorized_too():
    """Requests of probes and of the observer have the same headers and credentials."""
    settings = HttpSettings.of({"headers": ["X-A: 1"], "auth": "bearer:abcd"}, Path())
    with serve(answering()) as server:
        connection = BlockingConnection(server.url, settings, 5)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 200
        connection.close()
    head = server.requests[0].head
    assert "\r\nX-A: 1" in head
    assert "\r\nAuthorization: Bearer abcd" in head


def test_a_log_in_comes_before_the_setting():
    """A token of a log-in replaces the header of the settings, however it is spelt."""
    user = user_of(headers=["authorization: Basic eDp5"])
    user.authorize("t")
    assert user.get("/").headers == {"Authorization": "Bearer t"}


def test_a_repeated_log_in_keeps_the_key_in_a_cookie():
    """Cookies of an expired session are forgotten, the one of the settings is kept."""
    user = user_of(auth="cookie:key:abcd")
    user.cookies.set("sid", "1")
    user.begin_log_in()
    assert [each.name for each in user.cookies] == ["key"]
