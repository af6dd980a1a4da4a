"""Pages for operators: who can read `/metrics` and the API's documentation."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest
from app.settings import SettingsError, load_settings
from fastapi import FastAPI
from service import client_of

PAGES = ("/metrics", "/docs", "/redoc", "/openapi.json")
OpenClient = Callable[..., Awaitable[httpx2.AsyncClient]]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_pages_are_open_on_this_machine(app: FastAPI, address: str):
    """Metrics and documentation can be read on this machine without a token."""
    async with client_of(app, address) as client:
        for path in PAGES:
            assert (await client.get(path)).status_code == 200
            assert (await client.head(path)).status_code == 200


@pytest.mark.parametrize(
    "address", ["10.0.0.7", "192.168.1.2", "8.8.8.8", "::ffff:8.8.8.8", "2001:db8::1", "testclient"]
)
async def test_pages_are_closed_to_others(app: FastAPI, address: str):
    """Other addresses get a 403 that names the setting, and reach everything else."""
    async with client_of(app, address) as client:
        for path in PAGES:
            for method in ("GET", "HEAD"):
                assert (await client.request(method, path)).status_code == 403
        error = (await client.get("/metrics")).json()["error"]
        assert error["code"] == "operators_only"
        assert "MONITORING_NETWORKS" in error["message"]
        for path in ("/", "/live", "/ready", "/health"):
            assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
)
async def test_pages_are_closed_to_clients_of_a_proxy(
    client: httpx2.AsyncClient, header: dict[str, str]
):
    """A proxy on this machine does not make its clients operators."""
    for path in PAGES:
        assert (await client.get(path, headers=header)).status_code == 403


async def test_networks_are_a_setting(open_client: OpenClient):
    """Networks can be added, and this machine can be excluded."""
    client = await open_client(monitoring_networks="10.1.0.0/16, 2001:db8::/32")
    application = client._transport.app
    for address, status in (("10.1.2.3", 200), ("2001:db8::9", 200), ("127.0.0.1", 403)):
        async with client_of(application, address) as other:
            assert (await other.get("/metrics")).status_code == status
    client = await open_client(monitoring_networks="")
    assert (await client.get("/metrics")).status_code == 403


def test_invalid_network_is_reported():
    """A network that is none is reported at the start."""
    with pytest.raises(SettingsError, match=r"MONITORING_NETWORKS: .*10\.0\.0\.1/8"):
        load_settings(database_url="postgresql://a@b/c", monitoring_networks="10.0.0.1/8")
