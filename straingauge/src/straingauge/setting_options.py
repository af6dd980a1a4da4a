"""Options for the settings of connections, the same in all commands, pytest and Locust."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SettingOption:
    """One option.

    Attributes:
        setting: Name of the setting in ``[http]``.
        name: The option without its dashes.
        help: The value and an example; a default where there is one.
        metavar: Stands for its value; None for a flag.
        is_repeatable: It may be given several times.
        value: The setting's value, if this is a flag that sets another than true.
    """

    setting: str
    name: str
    help: str
    metavar: str | None = None
    is_repeatable: bool = False
    value: str | None = None

    @property
    def destination(self) -> str:
        """The name of its value in Python."""
        return self.setting if self.value is None else self.name.replace("-", "_")


SETTING_OPTIONS: Final = (
    SettingOption(
        "ca_file",
        "ca-file",
        "Authorities to trust for https, such as ca.pem. [default: the system's]",
        "PEM",
    ),
    SettingOption(
        "client_cert", "client-cert", "Client certificate for https, such as client.pem.", "PEM"
    ),
    SettingOption("client_key", "client-key", "Its key, if in another file.", "PEM"),
    SettingOption(
        "server_name",
        "server-name",
        "Name in the certificate of the service. [default: the URL's host]",
        "NAME",
    ),
    SettingOption("insecure", "insecure", "Accept any certificate of the service."),
    SettingOption(
        "resolve",
        "resolve",
        "Address to connect to for a host and port, such as api.example:443:127.0.0.1. Repeatable."
        " [default: by DNS]",
        "HOST:PORT:ADDRESS",
        is_repeatable=True,
    ),
    SettingOption(
        "host_header",
        "host-header",
        "Value of the Host header, such as api.example. [default: the URL's host and port]",
        "VALUE",
    ),
    SettingOption(
        "headers",
        "header",
        "Header of each request, such as 'X-Tenant: acme' or 'X-Key: ${API_KEY}', from the"
        " environment. Repeatable. [default: none]",
        "'NAME: VALUE'",
        is_repeatable=True,
    ),
    SettingOption(
        "auth",
        "auth",
        "What each request is authorized by: basic:USER:SECRET, bearer:SECRET, header:NAME:SECRET,"
        " query:NAME:SECRET or cookie:NAME:SECRET. SECRET is env:NAME or file:PATH, such as"
        " basic:load:env:LOAD_PASSWORD. [default: nothing]",
        "KIND:...",
    ),
    SettingOption(
        "cookies",
        "cookies",
        "How long cookies are kept: per-user, per-journey (each journey begins with those of the"
        " log-in) or off. [default: per-user]",
        "MODE",
    ),
    SettingOption(
        "follow_redirects",
        "follow-redirects",
        "Follow redirects of journeys; each counts as a separate request. [default: do not]",
    ),
    SettingOption(
        "max_redirects",
        "max-redirects",
        "Redirects that may follow one another, such as 5. [default: 10]",
        "N",
    ),
    SettingOption(
        "connect_timeout_s",
        "connect-timeout",
        "Time limit to connect, TLS included, such as 2s. [default: that of the request]",
        "TIME",
    ),
    SettingOption(
        "first_byte_timeout_s",
        "first-byte-timeout",
        "Time limit from sending a request to the first byte of its response, such as 5s."
        " [default: that of the request]",
        "TIME",
    ),
    SettingOption(
        "timeout_s",
        "timeout",
        "Time limit of a request, connecting included, such as 5s. [default: 30s; capacity: 10s;"
        " Locust: network_timeout]",
        "TIME",
    ),
    SettingOption(
        "unix_socket",
        "unix-socket",
        "Socket file to connect to, such as /run/app.sock (uvicorn --uds); the URL gives the Host"
        " header. [default: TCP]",
        "PATH",
    ),
    SettingOption(
        "proxy",
        "proxy",
        "HTTP proxy to send all requests through, such as http://user:password@localhost:3128."
        " [default: none, whatever the environment says]",
        "URL",
    ),
    SettingOption(
        "http2",
        "http2",
        "Speak HTTP/2 if the https service offers it (ALPN), else HTTP/1.1, and say so."
        " [default: HTTP/1.1]",
    ),
    SettingOption(
        "http2",
        "http2-prior-knowledge",
        "Speak HTTP/2 without negotiation, also over plain http. [default: HTTP/1.1]",
        value="prior-knowledge",
    ),
)


def given_settings(value_of: Callable[[SettingOption], object]) -> dict[str, object]:
    """Return the values of settings by name; None if its option is not given.

    Args:
        value_of: Returns the value of an option, which is empty if it is not given.
    """
    given: dict[str, object] = {}
    for each in SETTING_OPTIONS:
        value = value_of(each) or None
        if value is not None and each.value is not None:
            value = each.value
        given[each.setting] = value if value is not None else given.get(each.setting)
    return given
