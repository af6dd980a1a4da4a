"""Forms in journeys: filled in and sent as a browser does, with tokens against CSRF."""

from collections.abc import Mapping
from typing import Final, Unpack
from urllib.parse import unquote, urljoin

from straingauge.errors import TargetError
from straingauge.http import Request, Response
from straingauge.http.html_page import Form, Page, parse_page
from straingauge.http.query import encode_path
from straingauge.http.redirects import path_pattern
from straingauge.http.site import Site, split_url
from straingauge.journey.user import Options, User

_FIELDS: Final = (
    "csrfmiddlewaretoken",
    "authenticity_token",
    "_csrf_token",
    "csrf_token",
    "_csrf",
    "_token",
)
"""Names of hidden fields with a token: Django, Rails, Symfony, Flask-WTF, Spring, Laravel."""

_HEADERS: Final = {
    "csrftoken": "X-CSRFToken",  # Django
    "XSRF-TOKEN": "X-XSRF-TOKEN",  # Angular, axios, Laravel, Spring
    "csrf_token": "X-CSRF-Token",
    "_csrf": "X-CSRF-Token",
}
"""Headers that repeat the token of a cookie (double submit), by the name of the cookie."""

_META: Final = ("csrf-token", "_csrf", "csrf_token")  # Rails and Laravel, Spring


def csrf_token(page: Response) -> str:
    """Return the token against CSRF of a page: of a hidden field in a form, or of a meta tag.

    Raises:
        TargetError: the page has none of a name that Django, Rails, Laravel, Symfony, Flask-WTF or
            Spring use.
    """
    parsed = parse_page(page.text)
    token = _token_in(parsed)
    if token is None:
        raise TargetError(
            f"{page.request.name}: the page has no token against CSRF",
            hint=f"looked for hidden fields {', '.join(_FIELDS)} and meta tags {', '.join(_META)}",
        )
    return token


def csrf_headers(user: User, page: Response | None = None) -> dict[str, str]:
    """Return the header that repeats the token against CSRF, for requests without a form.

    It is that of the target, or of the other host that the page is from.

    Args:
        user: its cookies may have the token, as in Django (`csrftoken`) and Angular (`XSRF-TOKEN`).
        page: a page that may have it in a meta tag, as in Rails (`csrf-token`).

    Returns:
        The header, such as X-CSRFToken; empty if neither has a token.
    """
    origin = page.request.origin if page is not None else None
    site = user.site if origin is None else Site.parse(origin)
    for cookie, header in _HEADERS.items():
        if user.has_cookies and (value := user.cookies.get(cookie, site=site)):
            return {header: unquote(value)}
    meta = parse_page(page.text).meta if page is not None else {}
    return next(({"X-CSRF-Token": meta[name]} for name in _META if meta.get(name)), {})


def form_request(
    user: User,
    page: Response,
    fields: Mapping[str, str],
    *,
    form_name: str | None = None,
    **options: Unpack[Options],
) -> Request:
    """Fill in a form of a page, and return the request that sends it.

    Hidden fields, among them tokens against CSRF, are sent as the page has them. The request has
    the headers Origin and Referer, which Django asks for, and that of `csrf_headers`. A form may be
    sent to another host, which must be this machine or allowed.

    Args:
        user: the user.
        page: the page.
        fields: values by the names of fields; the others keep those of the page.
        form_name: id or name of the form; by default the first one with all these fields.
        options: options of the request, see `User.request`.

    Raises:
        TargetError: there is no such form, or it cannot be sent.
    """
    parsed = parse_page(page.text)
    found = _find_form(parsed, page, fields, form_name)
    site = user.site
    if site is None:
        raise TargetError(f"{page.request.name}: the page belongs to no load")
    here = url_of(page, site)
    try:
        action = urljoin(urljoin(here, parsed.base), found.action or here)
        receiver, target = split_url(action)
    except ValueError as error:
        raise TargetError(f"the form at {here} is sent to {found.action!r}: {error}") from error
    if found.encoding != "application/x-www-form-urlencoded":
        raise TargetError(f"the form at {here} is sent as {found.encoding}, which is not supported")
    path, _, query = encode_path(target).partition("?")
    filled = found.filled(list(fields.items()))
    if found.method == "POST":
        options["form"] = filled
        path += f"?{query}" if query else ""
    else:
        options["params"] = filled
    shown = path.partition("?")[0]
    is_own = receiver.origin == site.origin
    place = path_pattern(shown, site.base_path if is_own else "")
    options.setdefault("name", f"{found.method} {'' if is_own else receiver.origin}{place}")
    sender = Site.parse(here)
    stays = sender.origin == receiver.origin
    options["headers"] = {
        "Origin": sender.origin,
        # No other host learns the path (Referrer Policy, the default of browsers), nor the token.
        "Referer": here if stays else f"{sender.origin}/",
        **(csrf_headers(user, page) if stays else {}),
        **(options.get("headers") or {}),
    }
    return user.request(found.method, receiver.origin + path, **options)


def url_of(page: Response, site: Site) -> str:
    """Return the URL of a page.

    Args:
        page: the page.
        site: the target.
    """
    request = page.request
    base_path = "" if request.from_root else site.base_path
    return (request.origin or site.origin) + base_path + request.target


def has_form(page: Response, fields: Mapping[str, str]) -> bool:
    """Return whether a page has a form with all of these fields."""
    return any(fields.keys() <= set(each.names) for each in parse_page(page.text).forms)


def alerts_of(page: Response) -> str:
    """Return what a page says of errors; empty if nothing."""
    return "; ".join(dict.fromkeys(parse_page(page.text).alerts[:3]))


def _find_form(parsed: Page, page: Response, fields: Mapping[str, str], label: str | None) -> Form:
    named = [each for each in parsed.forms if label in {None, each.label}]
    found = next((each for each in named if fields.keys() <= set(each.names)), None)
    if found is not None:
        return found
    which = f"no form {label!r}" if label and not named else f"no form with {', '.join(fields)}"
    shown = "; ".join(f"{each.label or 'form'}: {', '.join(each.names)}" for each in parsed.forms)
    raise TargetError(
        f"{page.request.name}: the page has {which}",
        hint=f"its forms have the fields {shown}" if shown else "the page has no form at all",
    )


def _token_in(parsed: Page) -> str | None:
    for form in parsed.forms:
        values = dict(form.fields)
        for name in _FIELDS:
            if values.get(name):
                return values[name]
    return next((parsed.meta[name] for name in _META if parsed.meta.get(name)), None)
