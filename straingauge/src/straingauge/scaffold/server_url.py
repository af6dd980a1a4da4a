"""URLs of servers, as documents write them."""

import re
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from straingauge.http.own_address import is_loopback

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NO_SCHEME: Final = re.compile(r"[\w.-]+:\d+(/|$)")  # "localhost:8000/api": the scheme is missing

Place = tuple[str, int | None]
"""Name and port of a host; the name is empty if a URL has none."""


def split_url(url: str, base: str = "") -> SplitResult | None:
    """Split a URL that may be relative; None if it is none, such as "https://[host]/v1".

    Args:
        url: As in the document.
        base: What it is relative to.
    """
    try:
        return urlsplit(urljoin(base, f"//{url}" if _NO_SCHEME.match(url) else url))
    except ValueError:
        return None


def place_of(url: str, base: str = "") -> Place:
    """Return the host of a URL; all names of loopback are one host."""
    parts = split_url(url, base)
    if parts is None:
        return "", None
    try:
        port = parts.port
    except ValueError:
        port = None
    name = (parts.hostname or "").lower()
    return "localhost" if is_loopback(name) else name, port or _DEFAULT_PORTS.get(parts.scheme)
