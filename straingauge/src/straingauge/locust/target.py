"""Where the load goes: somewhere that answers, and that may be put under load."""

from collections.abc import Iterable

from locust.env import Environment

from straingauge.errors import TargetError, UsageError
from straingauge.http.address import resolve
from straingauge.target.service_locator import refused


def hosts_of(environment: Environment) -> list[str]:
    """The address that was given, else those the user classes name."""
    if environment.host:
        return [environment.host]
    return list(dict.fromkeys(each.host for each in environment.user_classes if each.host))


def require_allowed(environment: Environment, allowed: Iterable[str]) -> None:
    """Check that the load may go where it is to go, as far as that is known by now.

    Raises:
        UsageError: An address makes no sense, or is not this machine and not allowed.
        TargetError: A name does not resolve.
    """
    for host in hosts_of(environment):
        resolve(host.rstrip("/"), allowed)


def require_host(environment: Environment, allowed: Iterable[str]) -> str:
    """The address the load goes to.

    Raises:
        UsageError: There is none, or it is not allowed.
        TargetError: Nothing answers there.
    """
    require_allowed(environment, allowed)
    hosts = hosts_of(environment)
    if not hosts:
        raise UsageError("no host is named", hint="--host http://localhost:8000")
    for host in hosts:
        if why := refused(host):
            raise TargetError(f"nothing answers at {host} ({why})", hint="start the service there")
    return hosts[0]
