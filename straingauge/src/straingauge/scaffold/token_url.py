"""Token URLs of OAuth 2 flows, as paths at the service under test."""

from collections.abc import Collection

from straingauge.scaffold.document import Document, as_dict, as_list
from straingauge.scaffold.server_url import place_of, split_url


def token_path(
    token_url: str, document: Document, service: str, posts: Collection[str]
) -> str | None:
    """Path of a token URL at the service; None if it belongs to another host.

    A relative one is resolved against the base path of the server, as Swagger UI does.

    Args:
        token_url: As in the document.
        document: The document.
        service: URL of the service under test.
        posts: Paths of the operations with the method POST.
    """
    parts = split_url(token_url)
    if parts is None:
        return None
    if parts.netloc:
        return _path_at_server(token_url, parts.path or "/", document, service)
    prefix = document.prefix
    joined = split_url(token_url, f"http://service{prefix}/")
    path = joined.path if joined is not None else "/"
    # Some write it without the base path, like the paths of the document.
    return prefix + path if path not in posts and prefix + path in posts else path


def _path_at_server(token_url: str, path: str, document: Document, service: str) -> str | None:
    """Path of a whole URL; None if it belongs to no server of the document.

    The base path of another server is replaced by the one of the service under test.
    """
    place = place_of(token_url)
    if place == place_of(service):
        return path
    for server in as_list(document.content.get("servers")):
        url = str(as_dict(server).get("url"))
        parts = split_url(url)
        if parts is not None and place_of(url) == place:
            base = parts.path.rstrip("/")
            is_below = path.startswith(f"{base}/")
            return document.prefix + path[len(base) :] if is_below else path
    return None
