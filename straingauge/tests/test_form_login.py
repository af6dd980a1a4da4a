"""Log-in by a form, with the conventions of several frameworks, without a network."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest
from straingauge.errors import TargetError
from straingauge.http import Request, RequestFailed, Response, check_response
from straingauge.http.html_page import parse_page
from straingauge.http.site import Site
from straingauge.journey import (
    Execution,
    JourneyError,
    User,
    csrf_headers,
    csrf_token,
    form_request,
    log_in_by_form,
)
from straingauge.journey.redirect import follow_up

SITE = Site.parse("https://app.example", "/app")
ACCOUNT = {"username": "ada", "password": "pw"}


@dataclass
class Call:
    """A request as a service sees it."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]
    cookies: dict[str, str]


Answer = tuple[int, str, dict[str, str]]
Service = Callable[[Call], Answer]


@dataclass
class Client:
    """Sends requests of one user to a function."""

    service: Service
    user: User = field(default_factory=lambda: User(0))
    calls: list[Call] = field(default_factory=list)

    def log_in(self, **options: object) -> Response:
        """Log in at /login."""
        pages = []

        def journey(user: User):
            pages.append((yield from log_in_by_form(user, "/login", ACCOUNT, **options)))

        self.user.site = SITE
        execution = Execution(journey, self.user)
        step = execution.begin()
        while step is not None:
            assert isinstance(step, Request)
            response = self.answer_to(step)
            failure = check_response(response)
            following: Request | None = None
            if failure is not None:
                site = Site.parse(step.origin) if step.origin else SITE
                following, failure = follow_up(self.user, response, failure, site, lambda _: None)
            if failure is not None:
                step = execution.fail(failure)
            else:
                step = following or execution.answer(response)
        return pages[0]

    def answer_to(self, request: Request) -> Response:
        """Let the service answer, and keep its cookies."""
        site = Site.parse(request.origin) if request.origin else SITE
        line = self.user.cookie_line(request, site).decode().removeprefix("\r\nCookie: ")
        cookies = dict(each.split("=", 1) for each in line.split("; ") if each)
        target = request.target if request.from_root else "/app" + request.target
        body = request.body.decode() if isinstance(request.body, bytes) else ""
        path = (request.origin or "") + target.removeprefix("/app").partition("?")[0]
        call = Call(request.method, path, dict(request.headers), dict(parse_qsl(body)), cookies)
        self.calls.append(call)
        status, text, headers = self.service(call)
        head = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        response = Response(request, status, f"HTTP/1.1 {status} X{head}".encode(), text.encode())
        self.user.keep_cookies(response, site)
        return response


def form(hidden: str = "", head: str = "", action: str = "") -> str:
    """A page with a search form and a log-in form."""
    return (
        f"<html><head>{head}</head><body><form action=/search><input name=q></form>"
        f'<form method="POST" action="{action}">{hidden}<input name=username>'
        '<input type=password name=password><input type=checkbox name=stay value=1 checked>'
        "<button name=go value=1>Log in</button></form></body></html>"
    )  # fmt: skip


def django(call: Call) -> Answer:
    """Hidden field and cookie, which must both come back, and the Referer of https."""
    if call.path == "/home":
        return (200, "welcome", {}) if call.cookies.get("sessionid") else (403, "", {})
    if call.method == "GET":
        page = form('<input type="hidden" name="csrfmiddlewaretoken" value="masked&amp;1">')
        return 200, page, {"Set-Cookie": "csrftoken=secret; Path=/app; SameSite=Lax; Secure"}
    fits = call.form.get("csrfmiddlewaretoken") == "masked&1"
    if not (fits and call.cookies.get("csrftoken") == "secret"):
        return 403, "CSRF verification failed", {}
    if call.headers.get("Referer") != "https://app.example/app/login":
        return 403, "Referer checking failed", {}
    if call.form.get("password") != "pw":
        page = form('<ul class="errorlist"><li>Please enter a correct username.</ul>')
        return 200, page, {}
    return 302, "", {"Location": "/app/home", "Set-Cookie": "sessionid=1; Path=/app; HttpOnly"}


def rails(call: Call) -> Answer:
    """A hidden field and a meta tag, and a relative action."""
    if call.path == "/home":
        return (200, "welcome", {}) if call.cookies.get("_app_session") == "in" else (401, "", {})
    if call.method == "GET":
        page = form(
            '<input type=hidden name=authenticity_token value="t=1" autocomplete=off />',
            head='<meta name="csrf-token" content="t=2" />',
            action="sessions?x=1",
        )
        return 200, page, {"Set-Cookie": "_app_session=out; path=/"}
    fits = call.path == "/sessions" and call.form.get("authenticity_token") == "t=1"
    if not fits or call.headers.get("X-CSRF-Token") != "t=2":
        return 422, "InvalidAuthenticityToken", {}
    return 303, "", {"Location": "home", "Set-Cookie": "_app_session=in; path=/"}


def double_submit(call: Call) -> Answer:
    """A cookie whose decoded value must come back in a header."""
    if call.path == "/home":
        return 200, "welcome", {}
    if call.method == "GET":
        return 200, form(), {"Set-Cookie": "XSRF-TOKEN=a%3D; Path=/app"}
    if call.headers.get("X-XSRF-TOKEN") != "a=":
        return 419, "Page Expired", {}
    return 302, "", {"Location": "https://app.example/app/home"}


@pytest.mark.parametrize("service", [django, rails, double_submit])
def test_the_conventions_of_frameworks(service: Service):
    """Tokens in hidden fields, meta tags and cookies are sent back; all fields of the form are."""
    client = Client(service)
    assert client.log_in().text == "welcome"
    posted = client.calls[1].form
    assert {"username": "ada", "password": "pw", "stay": "1", "go": "1"}.items() <= posted.items()


def single_sign_on(call: Call) -> Answer:
    """The log-in of another host, which leads back with a code."""
    there = "https://id.example"
    if call.path == "/login":
        return 302, "", {"Location": f"{there}/auth?x=1", "Set-Cookie": "csrftoken=app; Path=/"}
    if call.path == f"{there}/auth" and call.method == "GET":
        return 200, form(action="?form"), {"Set-Cookie": "csrftoken=id; Path=/auth"}
    if call.path == f"{there}/auth":
        known = call.headers.get("X-CSRFToken") == "id" and call.cookies == {"csrftoken": "id"}
        came = call.headers.get("Referer") == f"{there}/auth?x=1"
        back = {"Location": "https://app.example/app/home?code=1"}
        return (302, "", back) if known and came else (403, "", {})
    return (200, "welcome", {}) if call.cookies == {"csrftoken": "app"} else (401, "", {})


def test_a_log_in_at_another_host():
    """The form of another host is sent there with its own token, and leads back to the target."""
    client = Client(single_sign_on)
    assert client.log_in().text == "welcome"
    assert [each.path for each in client.calls] == [
        *("/login", "https://id.example/auth", "https://id.example/auth", "/home")
    ]
    assert client.calls[2].form["password"] == "pw"


def test_another_host_receives_a_form_without_the_token_of_its_page():
    """A form for another host has the page's origin, but neither its path nor its token."""
    user = User(0)
    user.site = SITE
    user.cookies.set("csrftoken", "secret")
    page = Response(user.get("/list"), 200, b"", form(action="http://b.example/in").encode())
    request = form_request(user, page, ACCOUNT)
    assert request.origin == "http://b.example"
    assert request.name == "POST http://b.example/in"
    assert request.headers["Referer"] == "https://app.example/"
    assert "X-CSRFToken" not in request.headers


def refusing(**changes: object) -> Service:
    """A service that answers the form with something else."""

    def service(call: Call) -> Answer:
        if call.method == "GET":
            return 200, str(changes.get("page", form())), {}
        return 200, str(changes.get("answer", "welcome")), {}

    return service


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (refusing(answer=form()), "POST /login: the log-in form came back"),
        (refusing(answer=form("<p role=alert>Wrong <b>password</b></p>")), "back: Wrong password"),
        (refusing(page="<p>Sign in with SSO"), "the page has no form with username, password"),
        (refusing(page=form(action="http://[::1/x")), "is sent to 'http://[::1/x'"),
        (refusing(page=form(action="javascript:go()")), "is sent to 'javascript:go()'"),
        (lambda _: (200, json.dumps({"a": 1}), {}), "the page has no form with"),
    ],
)
def test_a_failed_log_in_is_told_apart(service: Service, message: str):
    """A missing form, one that comes back with its message, and one for no URL are named."""
    with pytest.raises(JourneyError) as caught:
        Client(service).log_in()
    assert isinstance(caught.value.__cause__, TargetError)
    assert message in str(caught.value.__cause__)


def test_a_refused_token_and_a_check_that_fails():
    """A status that stands for a wrong token is named as such, and an own check is applied."""

    def refuse(call: Call) -> Answer:
        big = {"Set-Cookie": "sid=" + "x" * 5000}
        return (200, form(), big) if call.method == "GET" else (403, "CSRF failed", {})

    with pytest.raises(JourneyError, match="wrong token against CSRF") as caught:
        Client(refuse).log_in()
    cause = caught.value.__cause__
    assert isinstance(cause, TargetError)
    assert "cookies that were not kept: sid=" in str(cause.hint)
    with pytest.raises(JourneyError, match="not logged in: no welcome"):
        Client(refusing(answer="bye")).log_in(check=lambda _: "no welcome")


def test_another_failed_request_stays_what_it_is():
    """A page that is not there is a failed request, not an error of the form."""
    failures = []

    def journey(user: User):
        try:
            yield from log_in_by_form(user, "/login", ACCOUNT)
        except RequestFailed as failure:
            failures.append(failure.detail)
            raise

    user = User(0)
    execution = Execution(journey, user)
    request = execution.begin()
    assert isinstance(request, Request)
    failure = check_response(Response(request, 404, b"HTTP/1.1 404 X", b""))
    assert failure is not None
    assert execution.fail(failure) is None
    assert failures == ["status 404, expected 200: empty body"]


def test_tokens_for_requests_without_a_form():
    """A journey reads a token for requests, as single-page applications send them."""
    user = User(0)
    page = Response(user.get("/"), 200, b"", form('<input name=_token value="l">').encode())
    assert csrf_token(page) == "l"
    assert csrf_headers(user, page) == {}
    user.cookies.set("csrftoken", "c")
    assert csrf_headers(user) == {"X-CSRFToken": "c"}
    meta = Response(user.get("/"), 200, b"", b'<meta name="csrf-token" content="m">')
    assert csrf_token(meta) == "m"
    assert csrf_headers(User(1), meta) == {"X-CSRF-Token": "m"}
    with pytest.raises(TargetError, match="no token against CSRF"):
        csrf_token(Response(user.get("/"), 200, b"", b"<p>"))


def test_forms_are_sent_as_browsers_send_them():
    """Selected options, text areas and checked boxes are sent; disabled and file fields are not."""
    page = parse_page(
        "<form id=f method=post><select name=s><option value=1><option value=2 selected></select>"
        "<select name=first><option value=a><option value=b></select><textarea name=t>\nx &lt; y"
        "</textarea><input type=radio name=r value=1><input type=radio name=r value=2 checked>"
        "<input name=d value=1 disabled><input type=file name=up><input type=submit value=Go>"
        "<input type=reset name=no></form><input form=f name=outside value=o>"
    )
    assert page.forms[0].fields == [
        *(("s", "2"), ("first", "a"), ("t", "x < y"), ("r", "2"), ("outside", "o"))
    ]


def test_a_form_with_the_method_get_is_a_query():
    """A search form becomes a request with a query, named by its path."""
    user = User(0)
    user.site = SITE
    page = Response(user.get("/list"), 200, b"", form().encode())
    request = form_request(user, page, {"q": "a b"})
    assert (request.method, request.target, request.name) == ("GET", "/search?q=a+b", "GET /search")
    assert request.headers["Origin"] == "https://app.example"
