"""A first load suite for a service, drafted from what its OpenAPI document says of it."""

from straingauge.draft.document import Document, fetch
from straingauge.draft.suite import Draft, draft, write

__all__ = ["Document", "Draft", "draft", "fetch", "write"]
