"""The host under load: named, allowed, and reachable."""

from collections.abc import Iterable

from locust.env import Environment

from straingauge.errors import TargetError, UsageError
from straingauge.http.address import resolve
from straingauge.target.service_locator import refused


def get_hosts(environment: Environment) -> list[str]:
    """Return the host given to Locust, or else those of the user classes."""
    if environment.host:
        return [environment.host]
    return list(dict.fromkeys(each.host for each in environment.user_classes if each.host))


def require_allowed(environment: Environment, allowed: Iterable[str]) -> None:
    """Check that the hosts named so far may be put under load.

    Raises:
        UsageError: A host is no valid URL, or is neither this machine nor allowed.
        TargetError: A name does not resolve.
    """
    for host in get_hosts(environment):
        resolve(host.rstrip("/"), allowed)


def require_host(environment: Environment, allowed: Iterable[str]) -> str:
    """Return the host under load.

    Raises:
        UsageError: No host is named, or it is not allowed.
        TargetError: The host does not accept connections.
    """
    require_allowed(environment, allowed)
    hosts = get_hosts(environment)
    if not hosts:
        raise UsageError("no host given", hint="--host http://localhost:8000")
    for host in hosts:
        if why := refused(host):
            raise TargetError(f"nothing answers at {host} ({why})", hint="start the service there")
    return hosts[0]
