"""A first load suite for a service, drafted from what its OpenAPI document says of it."""

from straingauge.scaffold.document import Document, fetch
from straingauge.scaffold.suite import Scaffold, scaffold, write

__all__ = ["Document", "Scaffold", "fetch", "scaffold", "write"]
