"""The hosts under load: named, allowed, and reachable.

A host may have a base path and credentials, which the client uses; what is resolved, observed and
tried is its origin. Users of other protocols may have any host, or none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from locust.env import Environment
from locust.user.users import RestMixin
from locust.user.users import User as LocustUser

from straingauge.errors import TargetError, UsageError
from straingauge.http.address import resolve
from straingauge.locust.http.origin import base_of
from straingauge.locust.options import http_settings
from straingauge.target.service_locator import refused


@dataclass(frozen=True, slots=True)
class _Host:
    """The origin of a host, as `http://name:port`, and whether its users send HTTP to it."""

    origin: str
    is_http: bool

    @property
    def has_port(self) -> bool:
        """The host names its port, as one of another protocol has to."""
        return urlsplit(self.origin).port is not None


def require_allowed(environment: Environment, allowed: Iterable[str]) -> None:
    """Check that the hosts named so far may be put under load.

    Raises:
        UsageError: A host is no valid URL, or is neither this machine nor allowed.
        TargetError: A name does not resolve.
    """
    settings = http_settings(environment)
    for host in _hosts(environment):
        try:
            resolve(host.origin, allowed, settings)
        except TargetError:
            if host.is_http:  # else it may be a label of the user's own
                raise


def require_host(environment: Environment, allowed: Iterable[str]) -> str | None:
    """Return the origin of the host to observe; None if no user class has or needs a host.

    Raises:
        UsageError: No host is named for a class that sends HTTP, or it is not allowed.
        TargetError: A host does not accept connections.
    """
    for each in environment.user_classes:
        if _speaks_http(each) and not (environment.host or each.host):
            raise UsageError(
                f"no host given for {each.__name__}", hint="--host http://localhost:8000"
            )
    require_allowed(environment, allowed)
    hosts = [host for host in _hosts(environment) if host.is_http or host.has_port]
    settings = http_settings(environment)
    for host in hosts:
        if why := refused(host.origin, settings):
            raise TargetError(
                f"nothing responds at {host.origin} ({why})",
                hint=why.advice or "start the service there",
            )
    return min(hosts, key=lambda host: not host.is_http).origin if hosts else None


def _hosts(environment: Environment) -> Iterator[_Host]:
    """Yield each host once: the one given to Locust, or else those of the user classes.

    Raises:
        UsageError: A host is no valid URL.
    """
    found: dict[str, bool] = {}
    for each in environment.user_classes:
        host = environment.host or each.host
        if isinstance(host, str) and host:  # a property is known to the class's users only
            found[host] = found.get(host, False) or _speaks_http(each)
    if environment.host and not found:
        found[environment.host] = True
    origins = {
        base_of(host).origin if is_http else _foreign_origin(host): is_http
        for host, is_http in found.items()
    }
    return (_Host(origin, is_http) for origin, is_http in origins.items() if origin)


def _speaks_http(user_class: type[LocustUser]) -> bool:
    return issubclass(user_class, RestMixin)


def _foreign_origin(host: str) -> str | None:
    """Return the address in a host of another protocol, as an URL; None if it has none."""
    try:
        parts = urlsplit(host if "://" in host else f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name:
        return None
    scheme = "https" if parts.scheme == "https" else "http"
    shown = f"[{name}]" if ":" in name else name
    return f"{scheme}://{shown}" if port is None else f"{scheme}://{shown}:{port}"
