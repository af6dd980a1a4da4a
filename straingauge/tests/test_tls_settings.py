"""TLS settings: the table [http], options, and what a failed handshake advises."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from locust_caller import RUN_JOURNEY, Locust
from raw_server import answering, serve, speaking_tls
from single_journey import run_journey
from straingauge.errors import TargetError, UsageError
from straingauge.http import ErrorKind
from straingauge.http.settings import HttpSettings
from straingauge.http.tls import tls_context, tls_failure
from straingauge.target.service_locator import ServiceLocator, http_settings_for


@pytest.fixture(scope="module")
def url(certificate: Path) -> Iterator[str]:
    """A service whose certificate is for localhost, from a private authority."""
    with serve(answering(), speaking_tls(certificate)) as server:
        yield f"https://localhost:{server.port}"


def settings_of(folder: Path, table: str) -> HttpSettings:
    """The settings of a straingauge.toml with this table."""
    (folder / "straingauge.toml").write_text(table)
    return http_settings_for(folder / "test_load.py")


def test_files_are_relative_to_the_configuration(tmp_path: Path):
    """Files of [http] are relative to straingauge.toml; without the table nothing is set."""
    found = settings_of(tmp_path, '[http]\nca_file = "ca.pem"\nserver_name = "api"\n')
    assert found == HttpSettings(ca_file=tmp_path / "ca.pem", server_name="api")
    assert settings_of(tmp_path, "") == HttpSettings()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("http = 3", "http must be a table"),
        ("[http]\nca = 'x'", "[http] ca is not a setting"),
        ("[http]\nca_file = 3", "[http] ca_file must be a string"),
        ("[http]\nserver_name = ''", "[http] server_name must be a string"),
        ("[http]\ninsecure = 'yes'", "[http] insecure must be true or false"),
        ("[http]\nclient_key = 'key.pem'", "needs a certificate"),
        ("[http]\ninsecure = true\nca_file = 'ca.pem'", "or not at all (insecure)"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, table: str, message: str):
    """A setting that is unknown, of the wrong type or contradicts another is named."""
    with pytest.raises(UsageError) as caught:
        settings_of(tmp_path, table)
    assert message in str(caught.value)


def test_options_come_before_the_table():
    """An option replaces the setting of the table, and its opposite."""
    table = HttpSettings(ca_file=Path("ca.pem"), server_name="api")
    assert HttpSettings(server_name="other").over(table) == HttpSettings(
        ca_file=Path("ca.pem"), server_name="other"
    )
    assert HttpSettings(insecure=True).over(table) == HttpSettings(insecure=True, server_name="api")
    trusting = HttpSettings(ca_file=Path("ca.pem")).over(HttpSettings(insecure=True))
    assert trusting == HttpSettings(ca_file=Path("ca.pem"))


@pytest.mark.parametrize("name", ["ca_file", "client_cert"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, name: str):
    """A missing file and one that is no certificate are errors with its path."""
    file = tmp_path / "some.pem"
    with pytest.raises(UsageError, match=r"some\.pem: the .* cannot be read: No such file"):
        tls_context(HttpSettings(**{name: file}))
    file.write_text("no certificate")
    with pytest.raises(UsageError, match=r"some\.pem: not usable as"):
        tls_context(HttpSettings(**{name: file}))


def test_an_unknown_authority_is_named_before_the_load(tmp_path: Path, url: str):
    """A certificate of an unknown authority is an error with the option that trusts it."""
    with pytest.raises(TargetError, match="the TLS handshake failed") as caught:
        ServiceLocator(url, print, option="--host").find(tmp_path / "j.py")
    assert "--ca-file FILE" in str(caught.value.hint)


def test_another_name_is_told_before_the_load(tmp_path: Path, url: str, certificate: Path):
    """A certificate for another name is an error with the option that names it."""
    trusting = HttpSettings(ca_file=Path(f"{certificate}.crt"))
    url = url.replace("localhost", "127.0.0.1")
    locator = ServiceLocator(url, print, option="--host", http=lambda: trusting)
    with pytest.raises(TargetError) as caught:
        locator.find(tmp_path / "j.py")
    assert "--server-name NAME" in str(caught.value.hint)


@pytest.mark.parametrize("insecure", [False, True])
def test_the_engine_sends_with_the_settings(
    tmp_path: Path, url: str, certificate: Path, *, insecure: bool
):
    """A private authority and another name, or no check at all: the load is answered."""
    url = url.replace("localhost", "127.0.0.1")
    ca = Path(f"{certificate}.crt")
    settings = (
        HttpSettings(insecure=True)
        if insecure
        else HttpSettings(ca_file=ca, server_name="localhost")
    )
    assert (
        ServiceLocator(url, print, option="--host", http=lambda: settings).find(tmp_path / "j.py")
        == url
    )
    series, _ = run_journey(url, http=settings)
    assert (dict(series.errors), series.statuses[200]) == ({}, 1)


def test_a_certificate_for_another_name_is_a_tls_error(url: str, certificate: Path):
    """Requests to a service of another name are counted as TLS errors."""
    trusting = HttpSettings(ca_file=Path(f"{certificate}.crt"))
    series, _ = run_journey(url, http=replace(trusting, server_name="other.example"))
    assert dict(series.errors) == {ErrorKind.CERTIFICATE_NAME: 1}
    assert "--server-name NAME" in series.examples[0].detail


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10, ErrorKind.CERTIFICATE_EXPIRED),
        (9, ErrorKind.CERTIFICATE_EXPIRED),
        (18, ErrorKind.CERTIFICATE_UNTRUSTED),
        (20, ErrorKind.CERTIFICATE_UNTRUSTED),
        (62, ErrorKind.CERTIFICATE_NAME),
        (64, ErrorKind.CERTIFICATE_NAME),
        (23, ErrorKind.TLS),
    ],
)
def test_a_certificate_error_has_its_kind(code: int, kind: ErrorKind):
    """Expired, untrusted and misnamed certificates are separate kinds, by OpenSSL's codes."""
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    failure = tls_failure(error)
    assert failure.kind is kind
    assert ("; " in failure.detail) is (kind is not ErrorKind.TLS)


def test_a_missing_client_certificate_is_named(certificate: Path, caller: Locust):
    """A service that asks for a client certificate and gets none counts as such."""
    asking = speaking_tls(certificate)
    asking.load_verify_locations(f"{certificate}.crt")
    asking.verify_mode = ssl.CERT_REQUIRED
    settings = {"ca_file": f"{certificate}.crt"}
    with serve(answering(), asking) as server:
        url = f"https://localhost:{server.port}"
        without, _ = run_journey(url, http=HttpSettings.of(settings, Path()))
        outcome = caller.call(url, RUN_JOURNEY, http=settings)
        settings["client_cert"] = str(certificate)
        series, _ = run_journey(url, http=HttpSettings.of(settings, Path()))
    assert dict(without.errors) == outcome.failures == {ErrorKind.CLIENT_CERTIFICATE: 1}
    assert "--client-cert FILE" in without.examples[0].detail
    assert series.statuses[200] == 1
