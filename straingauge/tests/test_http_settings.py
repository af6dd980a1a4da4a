"""Settings of connections: the table [http], options, and the rule of where load may go."""

import sys
from pathlib import Path

import click
import pytest
from straingauge.cli import common_options
from straingauge.errors import UsageError
from straingauge.http.address import resolve
from straingauge.http.resolve_override import ResolveOverride
from straingauge.http.settings import HttpSettings
from straingauge.setting_options import SETTING_OPTIONS

HERE = Path("/suite")


def settings(**values: object) -> HttpSettings:
    """Settings by their names in the table."""
    return HttpSettings.of(values, HERE)


@pytest.mark.parametrize(
    ("text", "override"),
    [
        ("api.example:443:127.0.0.1", ResolveOverride("api.example", 443, ("127.0.0.1",))),
        ("API:80:127.0.0.1,[::1]", ResolveOverride("api", 80, ("127.0.0.1", "::1"))),
        ("api:80:::1", ResolveOverride("api", 80, ("::1",))),
        ("[::1]:80:127.0.0.1", ResolveOverride("::1", 80, ("127.0.0.1",))),
    ],
)
def test_an_override_has_a_host_a_port_and_addresses(text: str, override: ResolveOverride):
    """--resolve takes IPv4 and IPv6, several addresses, and is shown as it can be written."""
    assert ResolveOverride.parse(text) == override
    assert ResolveOverride.parse(str(override)) == override


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("resolve", ["api:80"], "'api:80' has no host, port and address"),
        ("resolve", [":80:127.0.0.1"], "has no host, port and address"),
        ("resolve", ["api:x:127.0.0.1"], "has no host, port and address"),
        ("resolve", ["api:70000:127.0.0.1"], "70000 is not a port"),
        ("resolve", ["api:80:localhost"], "'localhost' is not an IP address"),
        ("resolve", "api:80:127.0.0.1", "must be a list of strings"),
        ("host_header", "a b", "is not a value of the Host header"),
        ("host_header", "a\r\nX: y", "is not a value of the Host header"),
        ("host_header", 3, "must be a string"),
        ("timeout_s", 0, "must be more than 0"),
        ("timeout_s", "soon", "'soon' is not a time"),
        ("connect_timeout_s", True, "is not a time"),
        ("first_byte_timeout_s", "-1s", "is not a time"),
        ("http2", "yes", 'must be true, false or "prior-knowledge"'),
        ("http2", 2, 'must be true, false or "prior-knowledge"'),
    ],
)
def test_a_wrong_value_is_named(name: str, value: object, message: str):
    """A value that cannot be used is refused with the name of its setting."""
    with pytest.raises(UsageError, match=f"http: {name}") as caught:
        settings(**{name: value})
    assert message in str(caught.value)


def test_an_override_is_used_in_place_of_dns():
    """The address of an override is used for its host and port only; the name stays in Host."""
    given = settings(resolve=["api.invalid:8000:127.0.0.1"])
    address = resolve("http://API.invalid:8000/v1", settings=given)
    assert (address.ips, address.host_header) == (["127.0.0.1"], b"api.invalid:8000")


@pytest.mark.parametrize(
    ("allowed", "is_allowed"), [([], False), (["api.invalid"], True), (["192.0.2.7"], True)]
)
def test_the_address_of_an_override_is_under_the_rule(allowed: list[str], *, is_allowed: bool):
    """An override to another machine needs the name or the address in --allow-host."""
    given = settings(resolve=["api.invalid:80:192.0.2.7"])
    if is_allowed:
        assert resolve("http://api.invalid", allowed, given).ips == ["192.0.2.7"]
        return
    with pytest.raises(UsageError, match=r"api\.invalid \(192\.0\.2\.7\) is not this machine"):
        resolve("http://api.invalid", allowed, given)


def test_settings_of_the_target_are_not_for_other_hosts():
    """The Host header and the name in TLS are the target's own; overrides are for every host."""
    given = settings(host_header="api", server_name="api", resolve=["b:80:127.0.0.1"])
    assert resolve("http://localhost", settings=given).host_header == b"api"
    assert given.for_other_host("https://b") == settings(resolve=["b:80:127.0.0.1"])


def test_a_time_is_a_number_or_a_text():
    """Times are seconds in the table, and may have a unit as an option."""
    given = settings(connect_timeout_s=2, first_byte_timeout_s="250ms", timeout_s="1m30s")
    limits = (given.connect_timeout_s, given.first_byte_timeout_s, given.timeout_s)
    assert limits == (2.0, 0.25, 90.0)


def test_each_setting_has_an_option():
    """Each setting has an option with a help text, and a result shows it by the same name."""
    assert {each.setting for each in SETTING_OPTIONS} == set(HttpSettings.__dataclass_fields__)
    given = settings(resolve=["b:80:127.0.0.1"], host_header="api", ca_file="ca.pem")
    shown = {"resolve": ["b:80:127.0.0.1"], "host_header": "api", "ca_file": "/suite/ca.pem"}
    assert given.as_dict() == shown


def test_a_command_receives_its_options_as_settings():
    """Options become settings, and a wrong one is named with its dashes."""
    received: list[HttpSettings] = []

    @click.command()
    @common_options.http
    def command(http: HttpSettings) -> None:
        received.append(http)

    command.main(["--host-header", "api", "--insecure"], standalone_mode=False)
    command.main(["--http2"], standalone_mode=False)
    command.main(["--http2-prior-knowledge", "--http2"], standalone_mode=False)
    assert received == [
        HttpSettings(host_header="api", insecure=True),
        HttpSettings(http2="negotiate"),
        HttpSettings(http2="prior-knowledge"),
    ]
    with pytest.raises(UsageError, match="--resolve 'x' has no host"):
        command.main(["--resolve", "x"], standalone_mode=False)


@pytest.mark.parametrize(
    ("given", "http2"),
    [(True, "negotiate"), (False, None), ("prior-knowledge", "prior-knowledge")],
)
def test_http2_is_negotiated_or_known(given: object, http2: str | None):
    """The table has true or "prior-knowledge"; a result shows which; other hosts are asked."""
    found = settings(http2=given)
    assert (found.http2, found.as_dict().get("http2")) == (http2, http2)
    assert found.for_other_host("https://b").http2 == (http2 and "negotiate")
    assert found.for_other_host("http://b").http2 is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"http2": True}, "negotiated with TLS, and http://127.0.0.1 has none"),
        ({"http2": "prior-knowledge", "proxy": "http://127.0.0.1:9"}, "cannot pass the proxy"),
    ],
)
def test_http2_that_cannot_be_agreed_on_is_refused(given: dict[str, object], message: str):
    """Plain http has no negotiation, and proxies speak HTTP/1.1; https has both."""
    with pytest.raises(UsageError, match=message):
        resolve("http://127.0.0.1:8000", settings=settings(**given))
    assert resolve("https://127.0.0.1:8000", settings=settings(**given)).tls


def test_http2_needs_its_extra(monkeypatch: pytest.MonkeyPatch):
    """Without the library, the message has the command that installs it."""
    monkeypatch.setitem(sys.modules, "h2.connection", None)
    with pytest.raises(UsageError) as caught:
        settings(http2=True)
    assert "[http2]" in str(caught.value.hint)
