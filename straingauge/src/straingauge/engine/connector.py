"""Opening connections: each address of the name in turn, each way to fail by its kind."""

import ssl

from straingauge.engine.connection import Connection, Owner
from straingauge.engine.run_context import RunContext
from straingauge.http import ErrorKind, RequestFailed


class ConnectFailed(Exception):
    """No connection could be opened."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(detail)
        self.failure = RequestFailed(kind, detail)


async def connect(owner: Owner, stage: RunContext) -> Connection:
    """A new connection of this owner.

    `localhost` is often two addresses of which only one is listened on: the next is tried when one
    refuses, and the one that answered is the first to be tried from then on.

    Raises:
        ConnectFailed: the last address failed, too.
    """
    address = stage.address
    for last, ip in [(ip == address.ips[-1], ip) for ip in address.ips]:
        try:
            _, connection = await stage.loop.create_connection(
                lambda: Connection(owner, stage.inbox),
                ip,
                address.port,
                ssl=stage.tls,
                server_hostname=address.host if stage.tls else None,
            )
        except ssl.SSLError as error:
            raise ConnectFailed(ErrorKind.TLS, str(error)) from error
        except ConnectionRefusedError as error:
            if last:
                raise ConnectFailed(
                    ErrorKind.REFUSED, f"{ip} port {address.port} refused"
                ) from error
        except OSError as error:
            if last:
                kind = ErrorKind.TLS if stage.tls and not error.errno else ErrorKind.RESET
                raise ConnectFailed(kind, f"connecting to {ip}: {error}") from error
        else:
            address.prefer(ip)
            return connection
    raise AssertionError("a resolved address has at least one IP")
