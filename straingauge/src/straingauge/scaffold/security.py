"""Authentication of a service, as source that logs a user in."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from straingauge.scaffold.document import Document, Part

_BEARER: Final = '''
def log_in(user):
    """Send a token that all users share; use one per user if rate limits are per user."""
    user.authorize(setting("API_TOKEN"))
    yield from ()
'''
_OAUTH: Final = '''
def account(index):
    """Initial data of user `index`: an account that all users share."""
    return {{"username": setting("API_USERNAME"), "password": setting("API_PASSWORD")}}


def log_in(user):
    """Get a token by the OAuth 2 password flow (RFC 6749, section 4.3)."""
    form = {{"grant_type": "password", **user.data}}
    answer = yield user.post({path!r}, form=form)
    user.authorize(answer.json()["access_token"])
'''
_KEY: Final = '''
def log_in(user):
    """Send an API key that all users share."""
    user.headers[{name!r}] = setting("API_KEY")
    yield from ()
'''
_BASIC: Final = '''
def log_in(user):
    """Send an account that all users share (RFC 7617)."""
    pair = f"{setting('API_USERNAME')}:{setting('API_PASSWORD')}"
    user.headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    yield from ()
'''
_UNKNOWN: Final = '''
def log_in(user):
    """Log in: the document describes an authentication that is not supported."""
    fill_in({what!r})
    yield from ()
'''


def log_in(document: Document) -> tuple[str, Sequence[str]]:
    """Generate the source that logs a user in, and the names of its environment variables."""
    components: Part = document.content.get("components", {})
    schemes = [document.resolved(each) for each in components.get("securitySchemes", {}).values()]
    for scheme in sorted(schemes, key=_rank):
        known = _one(scheme)
        if known is not None:
            return known
    kinds = ", ".join(str(scheme.get("type")) for scheme in schemes) or "an undescribed scheme"
    return _UNKNOWN.format(what=f"how a user logs in (the document requires {kinds})"), ()


def _rank(scheme: Part) -> int:
    """Sort key: passwords first, since tokens expire."""
    return 0 if _token_url(scheme) else 1


def _token_url(scheme: Part) -> Any:  # noqa: ANN401  what the document has there
    return scheme.get("flows", {}).get("password", {}).get("tokenUrl")


def _one(scheme: Part) -> tuple[str, Sequence[str]] | None:
    kind, how = scheme.get("type"), str(scheme.get("scheme", "")).lower()
    url = _token_url(scheme)
    if url:
        path = "/" + urlsplit(str(url)).path.lstrip("/")
        return _OAUTH.format(path=path), ("API_USERNAME", "API_PASSWORD")
    if (kind, how) == ("http", "basic"):
        return _BASIC, ("API_USERNAME", "API_PASSWORD")
    if kind in ("http", "oauth2", "openIdConnect"):
        return _BEARER, ("API_TOKEN",)
    if kind == "apiKey" and scheme.get("in") in ("header", "cookie"):
        name = scheme["name"] if scheme["in"] == "header" else "Cookie"
        return _KEY.format(name=name), ("API_KEY",)
    return None
