"""Ports of services: free before the start, and answering after it."""

import http.client

from straingauge.errors import TargetError
from straingauge.target.ports import HOST, is_in_use, port_holder


def status_of(port: int, path: str) -> str:
    """Return the status of a GET, or the error if there is none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return str(error)  # expected until the service is ready; reported at the time limit
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
