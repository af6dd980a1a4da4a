"""Opening connections: each IP address of the target in turn."""

import ssl

from straingauge.engine.connection import Connection, ConnectionOwner
from straingauge.engine.run_context import RunContext
from straingauge.http import RequestFailed
from straingauge.http.address import connect_failure


async def connect(owner: ConnectionOwner, context: RunContext) -> Connection | RequestFailed:
    """Open a connection, or return why there is none.

    `localhost` often has two addresses of which only one is listened on: the next one is tried when
    one refuses, and the one that accepts is tried first from then on.
    """
    address = context.address
    for ip, is_last in address.attempts():
        try:
            _, connection = await context.loop.create_connection(
                lambda: Connection(owner, context.receive_queue, address.base_path),
                ip,
                address.port,
                ssl=context.tls,
                server_hostname=address.host if context.tls else None,
            )
        except OSError as error:
            if is_last or isinstance(error, ssl.SSLError):
                return connect_failure(error, ip, address)
        else:
            address.prefer(ip)
            return connection
    raise AssertionError("a resolved address has at least one IP")
