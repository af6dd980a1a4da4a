"""Ports of services: free before the start, and answering after it."""

from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit

from straingauge.errors import TargetError
from straingauge.http.blocking import BlockingConnection
from straingauge.http.setting_types import Http2Mode
from straingauge.http.settings import HttpSettings
from straingauge.target.ports import is_in_use, port_holder

_TIMEOUT_S: Final = 5.0


def status_of(url: str, http2: Http2Mode | None = None) -> str:
    """Return the status of a GET, or the error if there is none.

    Args:
        url: The URL.
        http2: The protocol that the load will speak; see `HttpSettings`.
    """
    parts = urlsplit(url)
    target = parts._replace(scheme="", netloc="").geturl() or "/"
    base_url = f"{parts.scheme}://{parts.netloc}"
    connection = BlockingConnection(base_url, HttpSettings(http2=http2), _TIMEOUT_S)
    try:
        connection.request("GET", target)
        return str(connection.getresponse().status)
    except (OSError, HTTPException) as error:
        # Expected until the service is ready; reported at the time limit.
        return str(error) or type(error).__name__
    finally:
        connection.close()


def require_free(port: int) -> None:
    """Check that no other process uses a port.

    Raises:
        TargetError: It is in use or cannot be used; the message names the process, if visible.
    """
    try:
        if not is_in_use(port):
            return
    except (OSError, OverflowError) as error:
        raise TargetError(f"port {port} cannot be used: {error}", "choose another port") from error
    found = port_holder(port)
    by = f" by process {found[0]} ({found[1]})" if found else ""
    stop = f"kill {found[0]}, or " if found else ""
    raise TargetError(f"port {port} is in use{by}", f"{stop}choose another port: --port {port + 1}")
