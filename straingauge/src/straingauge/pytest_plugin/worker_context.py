"""What the load tests of one process share: the others, the users, the options."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from straingauge.errors import UsageError
from straingauge.journey import Account, Journey, User
from straingauge.runner.load_runner import LoginCache
from straingauge.workers import CoordinatorClient


@dataclass(slots=True)
class WorkerContext:
    """One process of the session, as its load tests see it.

    Attributes:
        config: pytest's.
        fleet: The other processes, be there any or not.
        name: Such as "gw0".
        logged_in: Who need not log in again.
    """

    config: pytest.Config
    fleet: CoordinatorClient
    name: str
    logged_in: LoginCache = field(default_factory=LoginCache)
    _crowds: dict[tuple[Account | None, Journey | None], list[User]] = field(default_factory=dict)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Whom the user has allowed to be put under load: whom ``--load-host`` names."""
        host = urlsplit(self.config.getoption("--load-host") or "").hostname
        return frozenset({host} if host else ())

    def crowd(self, account: Account | None, count: int, log_in: Journey | None) -> list[User]:
        """The first `count` users of that kind; the same objects in each test.

        Raises:
            UsageError: None are wanted.
        """
        if count < 1:
            raise UsageError(f"a load needs users, not {count}")
        crowd = self._crowds.setdefault((account, log_in), [])
        for index in range(len(crowd), count):
            crowd.append(User(index, dict(account(index)) if account else {}))
        return crowd[:count]

    def thresholds(self, test_file: Path) -> Path:
        """The thresholds file: the one that was named, or the one beside the test."""
        named = self.config.getoption("--load-thresholds")
        return self._named(named) if named else test_file.with_name("thresholds.toml")

    def results(self, test_file: Path) -> Path:
        """The folder for results: the one that was named, or `results` beside the test."""
        named = self.config.getoption("--load-results")
        return self._named(named) if named else test_file.with_name("results")

    def _named(self, path: str) -> Path:
        return self.config.invocation_params.dir / path
