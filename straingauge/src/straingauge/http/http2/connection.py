"""The state of an HTTP/2 connection of a client, by the library `h2`."""

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from straingauge.http.codec import MAX_HEAD_BYTES

# Windows of flow control, as Go's client has them (golang.org/x/net/http2): this client always
# reads, so they need not slow a response down.
_STREAM_WINDOW_BYTES: Final = 4 << 20
_CONNECTION_WINDOW_BYTES: Final = 1 << 30
_DEFAULT_WINDOW_BYTES: Final = 65_535


class _Connection(H2Connection):
    """The state of a connection; no more streams are remembered than may have late frames."""

    MAX_CLOSED_STREAMS = 1024


def new_connection() -> H2Connection:
    """Return a connection whose first frames are ready to be sent: no pushes, large windows."""
    connection = _Connection(
        H2Configuration(
            header_encoding=None,
            normalize_outbound_headers=False,  # `request_fields` makes them in the right form
            validate_outbound_headers=False,
        )
    )
    connection.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW_BYTES,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
        },
    )
    connection.initiate_connection()
    connection.increment_flow_control_window(_CONNECTION_WINDOW_BYTES - _DEFAULT_WINDOW_BYTES)
    return connection
