"""TLS of connections to the service, and what a failed handshake means."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.http.models import ErrorKind, RequestFailed
from straingauge.http.settings import HttpSettings

# Codes of X509_verify_cert(3ssl), of which Python has no names.
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_UNKNOWN_ISSUER: Final = (18, 19, 20, 21)  # self-signed, or signed by an authority not known here
_OTHER_HOST: Final = (62, 64)  # name, IP address
# Alerts of a server that wants a client certificate, or another one (RFC 8446, section 6.2).
_CLIENT_CERTIFICATE: Final = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)


def tls_context(settings: HttpSettings) -> ssl.SSLContext:
    """Return the context of connections.

    Raises:
        UsageError: A file cannot be read, or is not what it should be.
    """
    made = ssl.create_default_context()
    if settings.ca_file is not None:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load("CA file", settings.ca_file, made.load_verify_locations)
    if settings.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if settings.client_cert is not None:
        key, password = settings.client_key, _no_password
        _load(
            "client certificate",
            settings.client_cert,
            lambda path: made.load_cert_chain(path, key, password),
        )
    return made


def alpn_protocols(settings: HttpSettings) -> list[str]:
    """Return the versions of HTTP that a client offers (RFC 7301, ALPN); none if only HTTP/1.1."""
    if settings.http2 is None:
        return []
    return ["h2"] if settings.http2 == "prior-knowledge" else ["h2", "http/1.1"]


def tls_failure(error: ssl.SSLError) -> RequestFailed:
    """Classify why a TLS connection cannot be used; the detail says what to do, if it is known."""
    kind, advice = _kind_and_advice(error)
    return RequestFailed(kind, f"{error}; {advice}" if advice else str(error))


def handshake_advice(error: ssl.SSLError) -> str | None:
    """Return what to do about a failed TLS handshake; None if that is not known."""
    return _kind_and_advice(error)[1]


def _kind_and_advice(error: ssl.SSLError) -> tuple[ErrorKind, str | None]:
    if (getattr(error, "reason", None) or "") in _CLIENT_CERTIFICATE:
        return (
            ErrorKind.CLIENT_CERTIFICATE,
            "send a certificate that the service accepts: --client-cert FILE, or client_cert in"
            " [http] of straingauge.toml",
        )
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ErrorKind.TLS, None
    if error.verify_code in _UNKNOWN_ISSUER:
        return (
            ErrorKind.CERTIFICATE_UNTRUSTED,
            "trust its authority: --ca-file FILE, or ca_file in [http] of straingauge.toml; or"
            " accept any certificate: --insecure",
        )
    if error.verify_code in _OTHER_HOST:
        return (
            ErrorKind.CERTIFICATE_NAME,
            "name the host of the certificate: --server-name NAME, or use it in the URL",
        )
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return (
            ErrorKind.CERTIFICATE_EXPIRED,
            "renew the certificate, or check the clock of this machine",
        )
    return ErrorKind.TLS, None


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
