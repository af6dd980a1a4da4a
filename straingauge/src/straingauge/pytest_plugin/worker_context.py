"""State that the load tests of one process share: coordinator, users, options."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from straingauge.cpus import usable_cpus
from straingauge.engine import require_open_files
from straingauge.errors import UsageError
from straingauge.http.settings import HttpSettings
from straingauge.http.traceparent import Sampling
from straingauge.journey import Account, Journey, User
from straingauge.pytest_plugin.options import http_settings_of, option
from straingauge.result.format.write import require_writable
from straingauge.runner import LoginCache
from straingauge.verdict import thresholds_file
from straingauge.workers import CoordinatorClient


@dataclass(slots=True)
class WorkerContext:
    """One process of the session.

    Attributes:
        config: pytest's.
        coordinator: Connection to the other processes, if there are any.
        name: Name of the process, such as "gw0".
        logins: Users that need not log in again.
    """

    config: pytest.Config
    coordinator: CoordinatorClient
    name: str
    logins: LoginCache = field(default_factory=LoginCache)
    _users: dict[tuple[Account | None, Journey | None, HttpSettings], list[User]] = field(
        default_factory=dict
    )

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Hosts other than this machine that options name; they may be put under load."""
        host = urlsplit(option(self.config, "--load-host") or "").hostname
        allowed = option(self.config, "--load-allow-host") or ()
        return frozenset({*allowed, *([host] if host else [])})

    @property
    def http_settings(self) -> HttpSettings:
        """The settings of connections that options name; raises UsageError."""
        return http_settings_of(self.config)

    @property
    def server_pid(self) -> int | None:
        """The parent process of the service that ``--load-server-pid`` names.

        Raises:
            UsageError: It is not a process id.
        """
        given = option(self.config, "--load-server-pid")
        if given is None:
            return None
        # Not a type of the option: a conftest.py may have an option of this name with other values.
        if not given.isascii() or not given.isdigit() or int(given) < 1:
            raise UsageError(f"--load-server-pid {given}: not a process id")
        return int(given)

    def require_resources(self, test_file: Path, connections: int, processes: int) -> None:
        """Check that this machine can send a load and keep its result, before it is prepared.

        Args:
            test_file: The file of the test.
            connections: Number of connections over all processes.
            processes: Number of processes that may share the load.

        Raises:
            UsageError: Too few files may be open for the connections of one process.
            WriteError: Results cannot be written.
        """
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        active = max(min(processes, workers, usable_cpus()), 1)
        require_open_files(math.ceil(connections / active))
        require_writable(self.results_dir(test_file))

    @property
    def profile(self) -> bool | None:
        """True after ``--load-profile``, False after ``--load-no-profile``; None after neither."""
        if option(self.config, "--load-no-profile"):
            return False
        return True if option(self.config, "--load-profile") else None

    @property
    def sampling(self) -> Sampling:
        """The single requests that are kept for ``--load-export``."""
        names = option(self.config, "--load-export")
        if not names:
            return "none"
        from straingauge.exports import sampling_for  # imports what only exports need

        return sampling_for(names)

    def users(
        self, account: Account | None, count: int, log_in: Journey | None, http: HttpSettings
    ) -> list[User]:
        """Return the first `count` users of these accounts; the same objects in each test.

        Raises:
            UsageError: The count is less than 1.
        """
        if count < 1:
            raise UsageError(f"a load needs at least one user, not {count}")
        users = self._users.setdefault((account, log_in, http), [])
        for index in range(len(users), count):
            users.append(User(index, dict(account(index)) if account else {}, http))
        return users[:count]

    def thresholds_file(self, test_file: Path) -> Path | None:
        """Return ``--load-thresholds``, or the file next to the test; None if there is none."""
        named = option(self.config, "--load-thresholds")
        return thresholds_file(self._named(named) if named else None, test_file)

    def results_dir(self, test_file: Path) -> Path:
        """Return the folder of results: ``--load-results``, or `results` next to the test."""
        named = option(self.config, "--load-results")
        return self._named(named) if named else test_file.with_name("results")

    def _named(self, path: str) -> Path:
        return self.config.invocation_params.dir / path
