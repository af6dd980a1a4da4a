"""TLS settings of connections to the service, and what a failed handshake means."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Self

from straingauge.errors import UsageError

_FILES: Final = ("ca_file", "client_cert", "client_key")

# Codes of X509_verify_cert(3ssl), of which Python has no names.
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_UNKNOWN_ISSUER: Final = (18, 19, 20, 21)  # self-signed, or signed by an authority not known here
_OTHER_HOST: Final = (62, 64)  # name, IP address


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """TLS settings of connections to the service.

    Attributes:
        ca_file: PEM file with the authorities to trust in place of the system's.
        client_cert: PEM file with the client's certificate, perhaps with its key.
        client_key: PEM file with its key, if that is in a separate file.
        server_name: Name to send (SNI) and to find in the certificate, in place of the URL's host.
        insecure: Accept any certificate.
    """

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    server_name: str | None = None
    insecure: bool = False

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

    @classmethod
    def parse(cls, table: object, source: Path) -> Self:
        """Read the table ``[http]`` of a straingauge.toml; its files are relative to it.

        Raises:
            UsageError: A setting is unknown, or its value is of the wrong type.
        """
        if not isinstance(table, dict):
            raise UsageError(f"{source}: http must be a table: [http]")
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in (each.name for each in fields(cls)):
                known = ", ".join(each.name for each in fields(cls))
                raise UsageError(f"{source}: [http] {key} is not a setting", f"known are: {known}")
            if key == "insecure":
                if not isinstance(value, bool):
                    raise UsageError(f"{source}: [http] insecure must be true or false")
                values[key] = value
            elif isinstance(value, str) and value:
                values[key] = source.parent / value if key in _FILES else value
            else:
                raise UsageError(f"{source}: [http] {key} must be a string")
        return cls(**values)

    def over(self, other: "TlsSettings") -> "TlsSettings":
        """Return these settings, with those of another where they have none."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        changes = {name: value for name, value in given.items() if value}
        if self.insecure:
            changes["ca_file"] = None
        elif self.ca_file is not None:
            changes["insecure"] = False
        return replace(other, **changes)

    def context(self) -> ssl.SSLContext:
        """Return the context of connections.

        Raises:
            UsageError: A file cannot be read, or is not what it should be.
        """
        made = ssl.create_default_context()
        if self.ca_file is not None:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            _load("CA file", self.ca_file, made.load_verify_locations)
        if self.insecure:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if self.client_cert is not None:
            key, password = self.client_key, _no_password
            _load(
                "client certificate",
                self.client_cert,
                lambda path: made.load_cert_chain(path, key, password),
            )
        return made

    def as_dict(self) -> Mapping[str, str | bool]:
        """Return the settings that differ from the defaults, as a result shows them."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value if isinstance(value, bool) else str(value)
            for name, value in given.items()
            if value
        }


def handshake_advice(error: BaseException) -> str | None:
    """Return what to do about a failed TLS handshake; None if that is not known."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    if error.verify_code in _UNKNOWN_ISSUER:
        return (
            "trust its authority: --ca-file FILE, or ca_file in [http] of straingauge.toml; or"
            " accept any certificate: --insecure"
        )
    if error.verify_code in _OTHER_HOST:
        return "name the host of the certificate: --server-name NAME, or use it in the URL"
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return "renew the certificate, or check the clock of this machine"
    return None


def _load(what: str, path: Path, load: Callable[[Path], None]) -> None:
    try:
        load(path)
    except ssl.SSLError as error:
        raise UsageError(
            f"{path}: not usable as {what}: {error.reason or error}",
            hint="a PEM file with -----BEGIN CERTIFICATE-----, and its key for a client",
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: the {what} cannot be read: {error.strerror}") from error


def _no_password() -> str:
    """Refuse to ask for the password of a key on the terminal, as OpenSSL does."""
    raise UsageError("the client key has a password", hint="use a key without one")
