"""Create a load suite for a service from its OpenAPI document."""

from straingauge.scaffold.discovery import fetch
from straingauge.scaffold.document import Document
from straingauge.scaffold.suite import Scaffold, scaffold, write

__all__ = ["Document", "Scaffold", "fetch", "scaffold", "write"]
