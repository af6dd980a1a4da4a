"""Every known cause. A module of this package declares causes; adding one needs no other edit."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from straingauge.diagnosis.cause import Cause


def declared_causes() -> dict[str, Cause]:
    """Collect the causes that the modules of this package declare, by id.

    Raises:
        ValueError: Two causes have the same id.
    """
    found: dict[str, Cause] = {}
    for module in sorted(each.name for each in iter_modules(__path__)):
        for value in vars(import_module(f"{__name__}.{module}")).values():
            if not isinstance(value, Cause):
                continue
            if found.get(value.id, value) is not value:
                raise ValueError(f"two causes have the id {value.id}")
            found[value.id] = value
    return found


CAUSES: Mapping[str, Cause] = declared_causes()
