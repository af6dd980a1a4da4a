"""Settings of a Locust user's client for all of its plain calls, as of `requests.Session`."""

import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from straingauge.errors import UsageError
from straingauge.locust.http.authentication import Auth
from straingauge.locust.http.tls_stream import context

if TYPE_CHECKING:
    from straingauge.locust.http.request_builder import Options


class TlsOptions(NamedTuple):
    """TLS settings of a call: see `Client.request`."""

    verify: bool | str
    cert: str | tuple[str, str] | None


class SessionSettings:
    """Settings that apply to each plain call which does not have its own.

    Attributes:
        auth: a user and a password, or a function that changes a `requests.PreparedRequest`.
        params: the query of each call, to which a call's own are added.
        verify: check the certificate; None leaves it to the user class.
        cert: the client's certificate.
        max_redirects: redirects that a call follows; None leaves it to the user class.
        trust_env: has no effect: no proxy and no password is taken from the environment.
    """

    def __init__(self) -> None:
        self.auth: Auth | None = None
        self.params: Mapping[str, Any] | None = None
        self.verify: bool | str | None = None
        self.cert: str | tuple[str, str] | None = None
        self.max_redirects: int | None = None
        self.trust_env = False

    def __setattr__(self, name: str, value: object) -> None:
        if name in {"proxies", "hooks"} and value:
            self.refuse(name)
        super().__setattr__(name, value)

    def mount(self, prefix: str, adapter: object) -> NoReturn:  # noqa: ARG002  as in requests
        """Refuse an adapter of `requests`."""
        self.refuse("mount()")

    def refuse(self, name: str) -> NoReturn:
        """Refuse a setting of `requests` that this client does not have.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"client: JourneyUser does not support {name} of requests",
            hint="use Locust's HttpUser; its requests are recorded, too",
        )

    @property
    def is_changed(self) -> bool:
        """Some setting differs from its default."""
        return bool(self.auth or self.params or self.verify is not None or self.cert is not None)

    def add_to(self, options: "Options") -> None:
        """Add these settings to the options of a call."""
        if self.auth and not options.get("auth"):
            options["auth"] = self.auth
        own = options.get("params")
        if self.params and not own:
            options["params"] = self.params
        elif self.params and not isinstance(own, str | bytes):
            options["params"] = {**self.params, **dict(own or {})}

    def tls_options(
        self,
        verify: bool | str | None,  # noqa: FBT001  as in requests
        cert: str | tuple[str, str] | None,
        *,
        insecure: bool,
    ) -> TlsOptions | None:
        """Return the TLS settings of a call; None for those of the user class.

        Raises:
            UsageError: a file cannot be read.
        """
        verify = self.verify if verify is None else verify
        cert = self.cert if cert is None else cert
        if verify is None and cert is None:
            return None
        options = TlsOptions(not insecure if verify is None else verify, cert)
        context_of(options)
        return options


@lru_cache(maxsize=16)
def context_of(options: TlsOptions, offered: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return the context of TLS settings, made once; see `tls_stream.context`.

    Raises:
        UsageError: a file cannot be read.
    """
    verify, cert = options
    if isinstance(verify, bool) and cert is None:
        return context(insecure=not verify, offered=offered)
    try:
        if isinstance(verify, str):
            path = Path(verify)
            made = ssl.create_default_context(
                cafile=None if path.is_dir() else verify, capath=verify if path.is_dir() else None
            )
        else:
            made = context.__wrapped__(insecure=not verify)
        if cert is not None:
            made.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    except OSError as error:
        raise UsageError(f"verify={verify!r}, cert={cert!r}: {error}") from error
    if offered:
        made.set_alpn_protocols(offered)
    return made
