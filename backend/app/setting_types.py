"""Types of settings that are texts of a certain form."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from limits import parse as parse_rate
from pydantic import AfterValidator, SecretStr

from app.client_address import TrustedProxies

MIN_KEY_LENGTH = 32


def parse_networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Parse networks separated by commas.

    Raises:
        ValueError: One of them is no network.
    """
    return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())


def _check_rate(value: str) -> str:
    parse_rate(value)
    return value


def _check_postgres_url(value: SecretStr) -> SecretStr:
    scheme = urlsplit(value.get_secret_value()).scheme
    if scheme not in {"postgresql", "postgres"}:
        raise ValueError("must look like postgresql://user:password@127.0.0.1:5432/database")
    return value


def _check_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().strip()) < MIN_KEY_LENGTH:
        raise ValueError(f"must have {MIN_KEY_LENGTH} characters or more, without white space")
    return value


def _check_proxies(value: str) -> str:
    TrustedProxies(value)
    return value


def _check_networks(value: str) -> str:
    parse_networks(value)
    return value


Networks = Annotated[str, AfterValidator(_check_networks)]
Rate = Annotated[str, AfterValidator(_check_rate)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_check_postgres_url)]
Proxies = Annotated[str, AfterValidator(_check_proxies)]
SecretKey = Annotated[SecretStr, AfterValidator(_check_key)]
