"""Start PostgreSQL and the service if nothing else has, and stop them again."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from straingauge.target.config import StackConfig
    from straingauge.target.postgres import Postgres
    from straingauge.target.service_stack import ServiceStack

__all__ = ["Postgres", "ServiceStack", "StackConfig"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  any of __all__
    """Import what starts services on first use: every pytest session loads the plugin.

    Raises:
        AttributeError: There is no such name.
    """
    from importlib import import_module

    modules = {"StackConfig": "config", "Postgres": "postgres", "ServiceStack": "service_stack"}
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{modules[name]}"), name)
