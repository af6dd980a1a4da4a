"""Settings of connections and requests: the table ``[http]``, the options of commands, Python."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from straingauge.errors import UsageError
from straingauge.extras import install_command
from straingauge.http.authentication import Auth, parse_auth
from straingauge.http.cookies import CookieMode
from straingauge.http.header_settings import HeaderPairs
from straingauge.http.headers import combine
from straingauge.http.proxy import Proxy
from straingauge.http.resolve_override import ResolveOverride
from straingauge.http.setting_types import SETTINGS, Http2Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Settings of connections and requests to the service.

    Attributes:
        ca_file: PEM file with the authorities to trust in place of the system's.
        client_cert: PEM file with the client's certificate, perhaps with its key.
        client_key: PEM file with its key, if that is in a separate file.
        server_name: Name to send (SNI) and to find in the certificate, in place of the URL's host.
        insecure: Accept any certificate.
        resolve: Addresses of hosts, in place of those that their names resolve to.
        host_header: Value of the Host header, in place of the URL's host and port.
        headers: Headers of each request that has none of the same name.
        auth: What each request is authorized by, unless a log-in authorizes it otherwise.
        cookies: How long cookies are kept; "per-user" if None. See `CookieMode`.
        follow_redirects: Follow the redirects of requests that do not say otherwise.
        max_redirects: Redirects that may follow one another; `MAX_REDIRECTS` if None.
        connect_timeout_s: Time limit to connect, TLS included.
        first_byte_timeout_s: Time limit from the end of a request to the first byte of its
            response.
        timeout_s: Time limit of a request without its own, connecting included.
        unix_socket: Socket file to connect to, in place of the URL's host and port.
        proxy: HTTP proxy for all requests; none is taken from the environment.
        http2: Speak HTTP/2: if an https server chooses it, or without asking. HTTP/1.1 if None.
    """

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    server_name: str | None = None
    insecure: bool = False
    resolve: tuple[ResolveOverride, ...] = ()
    host_header: str | None = None
    headers: HeaderPairs = field(default=(), repr=False)  # they may be secrets
    auth: Auth | None = None
    cookies: CookieMode | None = None
    follow_redirects: bool = False
    max_redirects: int | None = None
    connect_timeout_s: float | None = None
    first_byte_timeout_s: float | None = None
    timeout_s: float | None = None
    unix_socket: Path | None = None
    proxy: Proxy | None = None
    http2: Http2Mode | None = None

    def __post_init__(self) -> None:
        if self.client_key is not None and self.client_cert is None:
            raise UsageError(
                f"the client key {self.client_key} needs a certificate",
                hint="name it with --client-cert FILE, or client_cert in [http]",
            )
        if self.insecure and self.ca_file is not None:
            raise UsageError(
                f"certificates are either checked against {self.ca_file}, or not at all (insecure)",
                hint="leave out one of the two",
            )
        if self.unix_socket is not None and self.proxy is not None:
            raise UsageError(
                f"requests go through the socket {self.unix_socket} or the proxy {self.proxy}",
                hint="leave out one of the two",
            )
        if self.http2 is not None:
            _import_h2()

    @classmethod
    def parse(cls, table: object, source: Path) -> Self:
        """Read the table ``[http]`` of a straingauge.toml; its files are relative to it.

        Raises:
            UsageError: A setting is unknown, or its value is of the wrong type.
        """
        if not isinstance(table, dict):
            raise UsageError(f"{source}: http must be a table: [http]")
        return cls.of(table, source.parent, lambda key: f"{source}: [http] {key}")

    @classmethod
    def of(
        cls,
        values: Mapping[str, object],
        folder: Path,
        name_of: Callable[[str], str] = "http: {}".format,
    ) -> Self:
        """Return settings by their names, as in the table; None means that one is not given.

        Args:
            values: The settings.
            folder: Files are relative to it.
            name_of: Returns the name of a setting for messages.

        Raises:
            UsageError: A setting is unknown, or its value is wrong.
        """
        found: dict[str, Any] = {}
        for key, value in values.items():
            if key not in SETTINGS:
                known = ", ".join(SETTINGS)
                raise UsageError(f"{name_of(key)} is not a setting", f"known are: {known}")
            if value is None or value == ():
                continue
            try:
                if key == "auth":
                    found[key] = parse_auth(SETTINGS[key](value), folder)
                    continue
                converted = SETTINGS[key](value)
            except (TypeError, ValueError) as error:
                raise UsageError(f"{name_of(key)} {error}") from None
            found[key] = folder / converted if isinstance(converted, Path) else converted
        return cls(**found)

    def over(self, other: "HttpSettings") -> "HttpSettings":
        """Return these settings, with those of another where they have none."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        changes = {name: value for name, value in given.items() if value}
        if self.unix_socket is not None or self.proxy is not None:
            changes |= {"unix_socket": self.unix_socket, "proxy": self.proxy}
        if self.insecure:
            changes["ca_file"] = None
        elif self.ca_file is not None:
            changes["insecure"] = False
        if self.headers:
            changes["headers"] = tuple(combine(dict(other.headers), dict(self.headers)).items())
        return replace(other, **changes)

    def for_other_host(self, origin: str) -> "HttpSettings":
        """Return the settings for an origin other than the target's, without what is its own."""
        is_https = origin.startswith("https:")
        http2: Http2Mode | None = "negotiate" if self.http2 and is_https else None
        return replace(self, server_name=None, host_header=None, unix_socket=None, http2=http2)

    def request_headers(self) -> Mapping[str, str]:
        """Return the headers of each request: those of `headers` and of `auth`."""
        return combine(dict(self.headers), dict(self.auth.headers) if self.auth else {})

    def addresses_of(self, host: str, port: int) -> tuple[str, ...]:
        """Return the addresses given for a host and a port; none if it is to be resolved."""
        return next(
            (each.ips for each in self.resolve if (each.host, each.port) == (host.lower(), port)),
            (),
        )

    def listening_url(self, base_url: str) -> str:
        """Return the URL by which the service's process is found: with the address in use."""
        if self.unix_socket is not None:
            return f"unix://{self.unix_socket.absolute()}"
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        given = self.addresses_of(parts.hostname or "", port)
        if not given:
            return base_url
        ip = f"[{given[0]}]" if ":" in given[0] else given[0]
        return f"{parts.scheme}://{ip}:{port}"

    def as_dict(self) -> Mapping[str, Any]:
        """Return the settings that differ from the defaults, as a result shows them.

        Of headers, a result has the names alone.
        """
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        given["headers"] = tuple(name for name, _ in self.headers)
        given["cookie_mode"] = given.pop("cookies")  # what is called "cookies" is hidden
        del given["timeout_s"]  # a run may have its own, which the result shows
        return {name: _shown(value) for name, value in given.items() if value}


def _import_h2() -> None:
    """Import `h2` before a load begins: 0.1 s, which its first requests would wait.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import_module("h2.connection")
    except ModuleNotFoundError as error:
        text = "HTTP/2 needs an extra of this package"
        raise UsageError(text, install_command("http2")) from error


def _shown(value: object) -> object:
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value if isinstance(value, bool | int | float) else str(value)
