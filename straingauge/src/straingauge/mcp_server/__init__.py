"""A server of the Model Context Protocol, through which an assistant runs and reads load tests."""

from straingauge.mcp_server.server import make_server

__all__ = ["make_server"]
