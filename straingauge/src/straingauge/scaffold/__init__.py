"""Create a load suite for a service from its OpenAPI document."""

from straingauge.scaffold.document import Document, fetch
from straingauge.scaffold.suite import Scaffold, scaffold, write

__all__ = ["Document", "Scaffold", "fetch", "scaffold", "write"]
