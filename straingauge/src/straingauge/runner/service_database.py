"""The database of the service under load."""

import os
from dataclasses import dataclass, field

from straingauge.runner.load_spec import LoadSpec
from straingauge.target.started_service import TEMPORARY_DATABASE_VARIABLE, StartedService


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """A database.

    Attributes:
        url: Its URL.
        is_temporary: It was started together with the service, and no one else uses it.
    """

    url: str = field(repr=False)  # it holds a password
    is_temporary: bool = False

    @classmethod
    def of(cls, spec: LoadSpec, started: StartedService | None) -> "ServiceDatabase | None":
        """Return the database that is named, or that of the service; None if none is known.

        Args:
            spec: The load.
            started: The service, if it was started here.
        """
        if spec.database_url:
            return cls(spec.database_url)
        if started is not None and started.database_url:
            return cls(started.database_url, started.has_temporary_database)
        return cls.given()

    @classmethod
    def given(cls, url: str | None = None) -> "ServiceDatabase | None":
        """Return the database with a URL, or else that in the environment; None without any.

        It is temporary only if `straingauge serve` has started it, and this very one.
        """
        url = url or os.environ.get("DATABASE_URL")
        return cls(url, url == os.environ.get(TEMPORARY_DATABASE_VARIABLE)) if url else None
