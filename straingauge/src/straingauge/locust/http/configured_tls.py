"""TLS settings of straingauge.toml, read once in each process."""

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from straingauge.target.service_locator import tls_settings_for


@dataclass(frozen=True, slots=True)
class ConfiguredTls:
    """The settings of the table ``[http]``.

    Attributes:
        context: The context of connections; None if the table says nothing of certificates.
        server_name: Name of the host in TLS; None if it is the URL's.
    """

    context: ssl.SSLContext | None
    server_name: str | None


@cache
def configured_tls(locustfile: Path) -> ConfiguredTls:
    """Return the settings for the users of a locustfile.

    Raises:
        UsageError: The table is invalid, or a file that it names cannot be used.
    """
    settings = tls_settings_for(locustfile)
    named = settings.as_dict().keys() - {"server_name"}
    return ConfiguredTls(settings.context() if named else None, settings.server_name)
