"""Limits of log-ins by account, against guesses of a password.

The route counts refused log-ins by address, which stops one address that tries many accounts. Here

- attempts are counted by account and address: one address cannot try many passwords of one account,
- failed attempts are counted by account over all addresses: many addresses cannot, either.

The second limit would let a stranger lock an account, so it does not apply to addresses from which
the account has logged in before (NIST SP 800-63B, 5.2.2). Accounts that do not exist are counted in
the same way, so that limits do not reveal which exist.
"""

from dataclasses import dataclass

from app.middleware.rate_limit_counters import Rate, RateLimits, hash_key

REFUSALS = Rate("failed_logins_by_address", "failed_logins_by_address")
"""Counted by the route."""
ATTEMPTS = Rate("login", "login")
FAILURES = Rate("failed_logins_by_account", "failed_logins_by_account")
SUCCESSES = Rate("1/30day", "known_addresses")
"""Remembers for 30 days from which addresses an account has logged in."""


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """Limits of one log-in.

    Attributes:
        limits: Counters; None if limits are disabled.
        email: Normalised e-mail address of the account, which may not exist.
        client: Address of the client, or its network.
    """

    limits: RateLimits | None
    email: str
    client: str

    async def admit(self) -> None:
        """Count the attempt.

        Raises:
            RateLimited: There were too many attempts.
            Unavailable: The storage of the counters is unavailable.
        """
        if self.limits is not None:
            await self._check_account(self.limits)
            await self.limits.hit(ATTEMPTS, self._here)

    async def check(self) -> None:
        """Check the failed attempts again, after this one has waited for its turn.

        Raises:
            RateLimited: There were too many failed attempts meanwhile.
            Unavailable: The storage of the counters is unavailable.
        """
        if self.limits is not None:
            await self.limits.check(REFUSALS, f"address:{self.client}")
            await self._check_account(self.limits)

    async def record(self, *, succeeded: bool) -> None:
        """Count the outcome.

        Raises:
            Unavailable: The storage of the counters is unavailable.
        """
        if self.limits is None:
            return
        if succeeded:
            await self.limits.count(SUCCESSES, self._here)
        else:
            await self.limits.count(FAILURES, self._account)

    async def _check_account(self, limits: RateLimits) -> None:
        if not await limits.counted(SUCCESSES, self._here):
            await limits.check(FAILURES, self._account)

    @property
    def _account(self) -> str:
        return f"account:{hash_key(self.email)}"

    @property
    def _here(self) -> str:
        return f"{self._account}:{self.client}"
