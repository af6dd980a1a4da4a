"""Routes of requests: to the target, and to other origins."""

import ssl
from dataclasses import dataclass, replace
from typing import Final, Self

from straingauge.errors import StraingaugeError, TargetError, UsageError
from straingauge.http.address import Address, resolve
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site
from straingauge.http.tls import alpn_protocols, tls_context

_MAX_KEPT: Final = 64  # a service may redirect to a new host each time


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one origin.

    Attributes:
        address: Its address.
        host_lines: The Host header's value, and the lines that follow it.
        site: The origin, as cookies and redirects see it.
        tls: Context of TLS; None for plain connections.
    """

    address: Address
    host_lines: bytes
    site: Site
    tls: ssl.SSLContext | None

    @property
    def may_be_http2(self) -> bool:
        """Connections speak HTTP/2, or they do if the server chooses it."""
        return self.address.settings.http2 is not None

    @classmethod
    def to(cls, address: Address, tls: ssl.SSLContext | None = None) -> Self:
        """Return the route to an address, with a context of TLS or else that of its settings."""
        context = (tls or tls_context(address.settings)) if address.tls else None
        if context is not None and (offered := alpn_protocols(address.settings)):
            context.set_alpn_protocols(offered)
        return cls(address, address.host_lines, Site.of(address), context)


class Routes:
    """The routes of a run: to its target, and to other origins that journeys and redirects name.

    Args:
        target: The route to the target.
        settings: Settings of connections.
        allowed_hosts: Hosts other than this machine that may be put under load.

    Attributes:
        target: The same.
    """

    def __init__(
        self,
        target: Route,
        settings: HttpSettings | None = None,
        allowed_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self.target = target
        self._settings = settings or HttpSettings()
        self._allowed_hosts = allowed_hosts
        self._others: dict[str, Route | StraingaugeError] = {}
        self._http1: dict[str | None, Route] = {}
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        if target.tls is not None:
            self._contexts[tuple(alpn_protocols(target.address.settings))] = target.tls

    def find(self, origin: str | None) -> Route:
        """Return the route to an origin, resolved once; to the target if it is None.

        Raises:
            UsageError: It is neither this machine nor allowed.
            TargetError: Its name does not resolve.
        """
        if origin is None:
            return self.target
        found = self._others.get(origin)
        if found is None:
            if len(self._others) >= _MAX_KEPT:
                known = self._others.items()
                self._others = {at: each for at, each in known if isinstance(each, Route)}
            found = self._others[origin] = self._look_up(origin)
        if isinstance(found, StraingaugeError):
            raise found.with_traceback(None)
        return found

    def _look_up(self, origin: str) -> Route | StraingaugeError:
        """Return the route to an origin, or why there is none: names are looked up once."""
        settings = self._settings.for_other_host(origin)
        try:
            address = resolve(origin, self._allowed_hosts, settings)
        except (UsageError, TargetError) as error:
            return error
        return Route.to(address, self._shared_context(settings) if address.tls else None)

    def _shared_context(self, settings: HttpSettings) -> ssl.SSLContext:
        """Return the context of TLS for other origins: making one takes 20 ms and a megabyte."""
        offered = tuple(alpn_protocols(settings))
        if offered not in self._contexts:
            self._contexts[offered] = tls_context(settings)
        return self._contexts[offered]

    def find_http1(self, origin: str | None) -> Route:
        """Return the route over HTTP/1.1, such as for WebSockets; see `find`."""
        route = self.find(origin)
        if not route.may_be_http2:
            return route
        if origin not in self._http1:
            settings = replace(route.address.settings, http2=None)
            address = replace(route.address, settings=settings)
            context = self._shared_context(settings) if address.tls else None
            self._http1[origin] = Route.to(address, context)
        return self._http1[origin]
