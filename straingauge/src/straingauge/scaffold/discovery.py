"""The OpenAPI document of a service: at a usual path, or where its documentation page says."""

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from straingauge.errors import TargetError, UsageError
from straingauge.scaffold.document import Document, Found
from straingauge.scaffold.server_url import split_url

USUAL_PATHS: Final = (
    "/openapi.json",
    "/api/openapi.json",
    "/v3/api-docs",
    "/api-docs",
    "/swagger.json",
    "/swagger/v1/swagger.json",
    "/api/v1/openapi.json",
    "/openapi.yaml",
    "/openapi.yml",
    "/api/schema/",
    "/schema/",
    "/docs/json",
    "/docs-json",
    "/api-json",
    "/api/docs-json",
    "/apispec.json",
    "/apispec_1.json",
    "/api/swagger.json",
    "/swagger.yaml",
    "/swagger/json",
    "/schema/openapi.json",
    "/openapi/v1.json",
    "/openapi",
    "/api/openapi.yaml",
    "/api/v3/openapi.json",
    "/api/v2/openapi.json",
    "/v1/openapi.json",
    "/api-docs.json",
    "/api-docs/swagger.json",
    "/q/openapi",
    "/__spec__",
    "/__api__",
    "/v1/__api__",
)
"""Paths of FastAPI, springdoc, NestJS, Fastify, drf-spectacular, flasgger, Cornice and others."""

PAGES: Final = (
    *("/docs", "/redoc", "/swagger-ui.html", "/swagger-ui/", "/swagger-ui/index.html"),
    *("/swagger", "/swagger/", "/api/docs", "/api", "/api-docs/", "/apidocs/", "/documentation"),
    *(
        "/api/redoc",
        "/api/schema/swagger-ui/",
        "/reference",
        "/schema",
        "/v3/api-docs/swagger-config",
    ),
    *("/scalar", "/ui/", "/"),
)
"""Documentation pages, which name the URL of the document."""

_USUAL_MOUNTS: Final = ("/api", "/api/v1", "/v1", "/api/v2", "/rest")
"""Usual paths of applications below the root, for documents that do not name theirs."""
_SAMPLES: Final = 3
_LOCKED: Final = (401, 403)

_NAMED: Final = re.compile(
    r"""(?:["']?\b(?:url|specUrl|spec-url|data-url|apiDescriptionUrl|swaggerUrl)["']?\s*[:=]\s*"""
    r"""|Redoc\.init\(\s*)["']([^"'<>\s]+)["']""",
    re.IGNORECASE,
)
_ACCEPT: Final = "application/json, application/vnd.oai.openapi+json, */*;q=0.5"
TIMEOUT_S: Final = 10.0
MAX_BYTES: Final = 64 << 20  # the largest public documents have some 15 MB


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects on the service only."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        *arguments: Any,  # noqa: ANN401  as the base class has them
    ) -> urllib.request.Request | None:
        """Return the next request; None, so an error status, if it leads to another host."""
        following = super().redirect_request(req, *arguments)
        return following if following is not None and following.host == req.host else None


# Asked directly, without the proxies of the environment, as the load is sent.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _SameHost)


def fetch(url: str, named: str | None) -> Document:
    """Fetch the document of a service.

    Args:
        url: Base URL of the service.
        named: Path of the document at the service, or a file; None searches for it.

    Raises:
        TargetError: The service does not respond or serves no document.
        UsageError: The given one is not a supported document.
    """
    url = url.rstrip("/")
    if named is not None and (not named.startswith("/") or Path(named).is_file()):
        return _of_file(Path(named), url)
    if named is not None:
        status, content = _ask(url + named)
        if content is None:
            raise _locked(url + named, status) if status in _LOCKED else _absent(url, named)
        return _placed(Document.parse(content, url + named, url), url)
    refused: UsageError | TargetError | None = None
    tried: set[str] = set()
    for place in _places(url):
        if place in tried:
            continue
        tried.add(place)
        status, content = _ask(place)
        if status in _LOCKED:
            refused = refused or _locked(place, status)
        if content is None or content.lstrip()[:1] in (b"<", b""):
            continue  # a single-page application answers every path with HTML
        try:
            return _placed(Document.parse(content, place, url), url)
        except UsageError as error:
            # What is no OpenAPI document at all is less to report than one of a wrong version.
            refused = refused if refused and "not " not in str(refused) else error
    if refused is not None:
        raise refused
    raise _absent(url, ", ".join(USUAL_PATHS[:6]) + " and other usual paths")


def _locked(place: str, status: int) -> TargetError:
    return TargetError(
        f"{place} answers {status}: the OpenAPI document may need a log-in",
        hint="save it to a file as a user who may read it, and name that: --openapi openapi.json",
    )


def _absent(url: str, places: str) -> TargetError:
    return TargetError(
        f"{url} serves no OpenAPI document at {places}",
        hint="name its path or a file: --openapi /path/openapi.json",
    )


def _places(url: str) -> Iterator[str]:
    """URLs at which the document may be, the likely ones first."""
    for path in USUAL_PATHS:
        yield url + path
    for page in PAGES:
        content = _get(url + page)
        for name in _NAMED.findall((content or b"").decode("utf-8", errors="replace")):
            parts = split_url(name.replace("\\/", "/"), url + page)
            if parts is not None and parts.netloc == urlsplit(url).netloc:
                yield parts.geturl()


def _placed(document: Document, url: str) -> Document:
    """Set the base path of a document that does not tell it for the service under test.

    Without servers, its paths may lack the path of a mounted application, such as /api, and the
    document lies below that or at the root. If all servers are of another host, such as a gateway,
    the base path there need not be the one here. A few requests that only read show whether the
    paths exist at the root or below a base path.
    """
    folder = urlsplit(document.source).path.rpartition("/")[0]
    if document.content.get("servers") and not document.is_served_elsewhere:
        return document
    at_root = replace(document, base_path="")
    reads = [each.path for each in at_root.operations() if _is_plain_read(each)][:_SAMPLES]
    prefix = _known_prefix(document)
    if not reads or (prefix is not None and any(_exists(url + prefix + path) for path in reads)):
        return document
    for base in dict.fromkeys(("", folder, *_USUAL_MOUNTS)):
        if base != prefix and all(_exists(url + base + path) for path in reads):
            return replace(document, base_path=base)
    return document


def _known_prefix(document: Document) -> str | None:
    """Return the base path as the document tells it; None if it does not."""
    try:
        return document.prefix
    except UsageError:
        return None


def _is_plain_read(operation: Found) -> bool:
    return operation.method == "get" and "{" not in operation.path


def _exists(place: str) -> bool:
    """Return true for what is neither a 404 nor the page of a single-page application."""
    status, content = _ask(place)
    return status != 404 and (content or b"").lstrip()[:1] != b"<"


def _of_file(path: Path, url: str) -> Document:
    try:
        return Document.parse(path.read_bytes(), str(path), url)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _get(url: str) -> bytes | None:
    """The body at a URL; None for an error status."""
    return _ask(url)[1]


def _ask(url: str) -> tuple[int, bytes | None]:
    """Status and body of a GET request; the body is None for an error status."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"{url!r} is not a URL", hint="write it as http://localhost:8000")
    request = urllib.request.Request(url, headers={"Accept": _ACCEPT})  # noqa: S310  see above
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as response:
            content: bytes = response.read(MAX_BYTES + 1)
            status: int = response.status
            if response.length and len(content) <= MAX_BYTES:
                raise http.client.IncompleteRead(content, response.length)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, None
    except http.client.HTTPException as error:
        raise TargetError(
            f"{url} does not answer as an HTTP server does: {type(error).__name__}",
            hint="check the port, and whether the URL begins with http:// or https://",
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise TargetError(
                f"the certificate at {url} is not trusted: {reason.verify_message}",
                hint="save the document to a file, such as with curl --insecure, and name that:"
                " --openapi openapi.json",
            ) from error
        raise TargetError(
            f"nothing responds at {url}: {reason}",
            hint="start the service first, or name a file: --openapi openapi.json",
        ) from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{url}: the document is larger than {MAX_BYTES >> 20} MB")
    return status, content
