"""The client's address comes from trusted proxies or from the connection, and nothing else."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from app.client_address import TrustedProxies, parse_address, sender
from app.settings import Settings, SettingsError
from hypothesis import given
from hypothesis import strategies as st
from service import client_of, until
from straingauge.target.ports import free_port

ME = "/api/v1/auth/me"
Open = Callable[..., Awaitable[httpx2.AsyncClient]]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8:0::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:c000:201]:443", "192.0.2.1"),
    ],
)
def test_spellings_of_an_address(text: str, address: str):
    """Addresses are read with and without brackets, port and zone, and mapped ones are IPv4."""
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "unknown", "_hidden", "example.com", "192.0.2", "192.0.2.256", "192.0.2.01", "1"),
        *(
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:x",
            "192.0.2.1:-1",
            "192.0.2.1 ",
            "3221225985",
        ),
        *("[192.0.2.1]", "[2001:db8::1", "2001:db8::1]", "[2001:db8::1]443", "[[::1]]", "0x7f.1"),
        *(
            "2001:db8::1::2",
            "192.0.2.1/24",
            '"192.0.2.1"',
            "192.0.2.1;",
            "for=192.0.2.1",
            "x" * 300,
        ),
        *("\u0661.1.1.1", "192.0.2.1\0", "::1%"),
    ],
)
def test_garbage_is_no_address(text: str):
    """Text that is not exactly one address is refused."""
    assert parse_address(text) is None


addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)


@given(address=addresses, port=st.integers(0, 65535), zone=st.sampled_from(["", "%eth0", "%1"]))
def test_port_and_zone_do_not_change_the_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, zone: str
):
    """A sender cannot look like several by ports, zones or other spellings."""
    spellings = [str(address), address.exploded, address.exploded.upper()]
    if isinstance(address, ipaddress.IPv6Address):
        spellings += [f"[{address}]:{port}", f"{address}{zone}", f"[{address.exploded}{zone}]"]
    else:
        spellings += [f"{address}:{port}", f"::ffff:{address}", f"[::ffff:{address}{zone}]:{port}"]
    assert len({parse_address(spelling) for spelling in spellings}) == 1


@given(text=st.text(alphabet="0123456789abcdef:.[]%/ ,x", max_size=60))
def test_any_text_is_an_address_or_none(text: str):
    """Text that is accepted stands for one address, in any spelling of it."""
    address = parse_address(text)
    assert address is None or parse_address(str(address)) == address


def test_sender_of_ipv6_is_its_network():
    """Addresses of one IPv6 /64 network are one sender, IPv4 addresses are one each."""
    assert sender("2001:db8::1") == sender("2001:db8::ffff:ffff") == "2001:db8::/64"
    assert sender("2001:db8:0:1::1") == "2001:db8:0:1::/64"
    assert sender("192.0.2.1") == "192.0.2.1"
    assert sender("unix") == "unix"


PROXY, OTHER = "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], PROXY),
        (["192.0.2.1"], "192.0.2.1"),
        (["9.9.9.9, 192.0.2.1"], "192.0.2.1"),
        (["9.9.9.9", "192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1", "9.9.9.9, 192.0.2.2:443"], "192.0.2.2"),
        ([f"9.9.9.9, 192.0.2.1, {OTHER}"], "192.0.2.1"),
        (["192.0.2.1", f"[::ffff:{OTHER}]:1, {OTHER}:80"], "192.0.2.1"),
        ([f"{OTHER}, 10.0.0.3"], OTHER),  # all are proxies: the first of them sent it
        (["192.0.2.1, unknown"], PROXY),
        ([f"unknown, {OTHER}"], PROXY),
        (["192.0.2.1,"], PROXY),
        (["192.0.2.1", ""], PROXY),
        ([""], PROXY),
        (["garbage, 192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1\xe9"], PROXY),
        (["x" * 5000], PROXY),
    ],
)
def test_client_behind_trusted_proxies(lines: Sequence[str], client: str):
    """The client is the last entry of the last line that is no trusted proxy; else the peer."""
    proxies = TrustedProxies("10.0.0.0/8")
    forwarded = [line.encode("latin-1") for line in lines]
    assert str(proxies.client(parse_address(PROXY), forwarded)) == client
    for none_trusted in ("", "unix", "10.9.0.0/16", "2001:db8::/32"):
        peer = parse_address(PROXY)
        assert TrustedProxies(none_trusted).client(peer, forwarded) == peer


@pytest.mark.parametrize(
    "networks", ["::ffff:10.0.0.0/104", "10.0.0.1", "::1, 10.0.0.0/8 ,", "unix"]
)
def test_forms_of_the_setting(networks: str):
    """The setting takes addresses, networks in any form, and unix."""
    proxies = TrustedProxies(networks)
    peer = None if networks == "unix" else parse_address(PROXY)
    assert str(proxies.client(peer, [b"192.0.2.1"])) == "192.0.2.1"


@pytest.mark.parametrize("text", ["*", "nginx", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.0/33"])
def test_invalid_setting_is_an_error(make_settings: Callable[..., Settings], text: str):
    """TRUSTED_PROXIES with a name, a network with host bits or all addresses is an error."""
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
        make_settings(trusted_proxies=text)


FORGERIES = [
    [("X-Forwarded-For", "1.1.1.1")],
    [("X-Forwarded-For", "1.1.1.2:4711")],
    [("X-Forwarded-For", "[2001:db8:1::1]:80")],
    [("X-Forwarded-For", "2001:db8:2::1")],
    [("X-Forwarded-For", "1.1.1.3"), ("X-Forwarded-For", "1.1.1.4")],
    [("X-Forwarded-For", "unknown")],
    [("X-Forwarded-For", "x" * 300)],
    [("X-Real-IP", "1.1.1.5")],
    [("Forwarded", "for=1.1.1.6")],
    [("Client-IP", "1.1.1.7"), ("True-Client-IP", "1.1.1.8")],
]


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
async def test_untrusted_headers_do_not_evade_limits(open_client: Open, trusted: str):
    """Requests of one address are counted together, whatever their headers say."""
    client = await open_client(rate_limit_default="5/minute", trusted_proxies=trusted)
    codes = [(await client.get(ME, headers=httpx2.Headers(each))).status_code for each in FORGERIES]
    assert codes == [401] * 5 + [429] * 5


async def test_clients_of_a_trusted_proxy_have_their_own_limits(open_client: Open):
    """Behind a trusted proxy each client is counted separately, and IPv6 clients by network."""
    client = await open_client(rate_limit_default="1/minute", trusted_proxies="10.0.0.0/8")
    app = client._transport.app  # type: ignore[attr-defined]
    forwarded = ("8.8.8.8, 192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "192.0.2.2:80")
    async with client_of(app, address="10.0.0.1") as proxied:
        codes = [
            (await proxied.get(ME, headers={"X-Forwarded-For": each})).status_code
            for each in forwarded
        ]
    assert codes == [401, 401, 401, 429, 429]
    async with client_of(app, address="192.0.2.77") as direct:
        headers = {"X-Forwarded-For": "192.0.2.78"}
        assert (await direct.get(ME, headers=headers)).status_code == 401
        assert (await direct.get(ME, headers=headers)).status_code == 429


@pytest.mark.parametrize("address", ["testclient", "unknown", "1.2.3"])
async def test_unknown_peer_is_not_a_proxy(open_client: Open, address: str):
    """A connection that does not say where it comes from is not one over a Unix socket."""
    client = await open_client(rate_limit_default="1/minute", trusted_proxies="unix")
    async with client_of(client._transport.app, address=address) as unknown:  # type: ignore[attr-defined]
        for forwarded, status in (("192.0.2.1", 401), ("192.0.2.2", 429)):
            response = await unknown.get(ME, headers={"X-Forwarded-For": forwarded})
            assert response.status_code == status


@asynccontextmanager
async def serving(client: httpx2.AsyncClient, **options: Any) -> AsyncIterator[None]:  # noqa: ANN401 -- uvicorn's
    """Serve the app behind a client with uvicorn, in this process."""
    app = client._transport.app  # type: ignore[attr-defined]
    config = uvicorn.Config(app, lifespan="off", log_config=None, **options)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started or task.done())
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def send(connect: Awaitable[Stream], headers: Sequence[tuple[str, str]]) -> int:
    """Send a request without a token on a new connection and return the status."""
    reader, writer = await connect
    lines = [f"GET {ME} HTTP/1.1", "Host: service", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_server_does_not_choose_the_address(open_client: Open, settings: Settings, http: str):
    """Uvicorn's own trust in headers has no effect, and the access log has the real address."""
    client = await open_client(rate_limit_default="5/minute")
    port = free_port()
    options = {"port": port, "http": http, "proxy_headers": True, "forwarded_allow_ips": "*"}
    async with serving(client, **options):
        codes = [
            await send(asyncio.open_connection("127.0.0.1", port), headers) for headers in FORGERIES
        ]
    assert codes == [401] * 5 + [429] * 5
    client._transport.app.state.logs.stop()  # type: ignore[attr-defined]  # flushes the file
    lines = (settings.log_dir / "app.log").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert {each["client"] for each in records if each["logger"] == "access"} == {"127.0.0.1"}


@pytest.mark.parametrize(("trusted", "codes"), [("", [401, 429, 429]), ("unix", [401, 401, 429])])
async def test_unix_socket(open_client: Open, tmp_path: Path, trusted: str, codes: list[int]):
    """Connections over a Unix socket are one client, or a trusted proxy if the setting says so."""
    client = await open_client(rate_limit_default="1/minute", trusted_proxies=trusted)
    path = str(tmp_path / "socket")
    async with serving(client, uds=path):
        assert codes == [
            await send(asyncio.open_unix_connection(path), [("X-Forwarded-For", forwarded)])
            for forwarded in ("192.0.2.1", "192.0.2.2", "192.0.2.2")
        ]
