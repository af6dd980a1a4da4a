"""Sign-up, login and token rotation."""

import math
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth import passwords, repository
from app.auth.hashing_queue import Place
from app.auth.login_limits import LoginLimits
from app.auth.models import TokenFamily, User
from app.auth.schemas import LoginRequest, SignupRequest, TokenResponse
from app.auth.tokens import AccessTokens, Principal, hash_refresh_token, new_refresh_token
from app.database_errors import account_deleted
from app.errors import Unauthorized, Unprocessable


async def sign_up(session: AsyncSession, request: SignupRequest, place: Place) -> User:
    """Create an account.

    Raises:
        Unavailable: Other clients took the places of this one's sign-ups.
        Unprocessable: The password violates a rule; `details` list the rules.
        IntegrityError: The address already has an account; the response is a 409.
    """
    password = request.password.get_secret_value()
    violated = passwords.violated_rules(password)
    if violated:
        raise Unprocessable(
            "The password is too weak.",
            code="weak_password",
            details=[{"where": "body.password", "message": message} for message in violated],
        )
    async with place.turn():
        password_hash = await passwords.hash_password(password)
    user = User(
        email=request.email,
        password_hash=password_hash,
        role=request.role,
        full_name=request.full_name,
    )
    session.add(user)
    await session.flush()  # a taken address is a Conflict, see `app.database_errors`
    await session.refresh(user, ["created_at"])
    return user


@dataclass(frozen=True, slots=True)
class TokenService:
    """Issues token pairs for a password or for an unspent refresh token."""

    session: AsyncSession
    access_tokens: AccessTokens
    refresh_ttl_s: int
    login_ttl_s: int

    async def log_in(
        self, request: LoginRequest, limits: LoginLimits, place: Place
    ) -> TokenResponse:
        """Issue tokens for a password.

        The response and its duration are the same for a wrong password and an unknown account.

        Raises:
            Unauthorized: The account does not exist, or the password is wrong.
            RateLimited: There were too many attempts.
            Unavailable: Other clients took the places of this one's log-ins.
        """
        password = request.password.get_secret_value()
        await limits.admit()
        # The query, too, has its turn: a hundred log-ins do not need all database connections.
        async with place.turn():
            await limits.check()
            user = await repository.user_by_email(self.session, request.email)
            await self.session.commit()  # return the connection to the pool while hashing
            password_hash = user.password_hash if user is not None else None
            matches = await passwords.verify_password(password_hash, password)
            await limits.record(succeeded=matches)
        if user is None or not matches:
            raise Unauthorized("E-mail address or password is wrong.", code="wrong_credentials")
        await repository.delete_expired_tokens(self.session, user.id)
        family = await repository.add_family(self.session, user.id, self.login_ttl_s)
        return await self._issue(user, family, timedelta(seconds=self.login_ttl_s))

    async def refresh(self, refresh_token: str) -> TokenResponse:
        """Exchange a refresh token for a new pair of tokens.

        Raises:
            Unauthorized: The token is unknown, expired, revoked or spent, or its login has ended.
                A spent token also revokes its family: it or its successor was stolen.
        """
        token_hash = hash_refresh_token(refresh_token)
        locked = await repository.lock_family_of(self.session, token_hash)
        if locked is not None:
            family, remaining = locked
            if (
                family.revoked_at is None
                and remaining > timedelta(0)
                and await repository.spend_refresh_token(self.session, token_hash)
            ):
                user = await self.session.get_one(User, family.user_id)
                return await self._issue(user, family, remaining)
            await self.log_out(refresh_token)
        raise Unauthorized("The refresh token is not valid.", code="invalid_refresh_token")

    async def log_out(self, refresh_token: str) -> None:
        """Revoke a token and its family. Access tokens stay valid until they expire."""
        await repository.revoke_family_of(self.session, hash_refresh_token(refresh_token))
        await self.session.commit()  # survives an error that the caller raises next

    async def _issue(self, user: User, family: TokenFamily, remaining: timedelta) -> TokenResponse:
        """Issue a pair of tokens, neither of which outlives the login."""
        remaining_s = math.ceil(remaining.total_seconds())
        refresh_token = new_refresh_token()
        await repository.add_refresh_token(
            self.session,
            token_hash=hash_refresh_token(refresh_token),
            family=family,
            ttl_s=min(self.refresh_ttl_s, remaining_s),
        )
        ttl_s = min(self.access_tokens.ttl_s, remaining_s)
        return TokenResponse(
            access_token=self.access_tokens.issue(Principal(user.id, user.role), ttl_s),
            refresh_token=refresh_token,
            expires_in=ttl_s,
        )


async def me(session: AsyncSession, principal: Principal) -> User:
    """Return the caller's account.

    Raises:
        Unauthorized: The account was deleted after the token was issued.
    """
    user = await session.get(User, principal.id)
    if user is None:
        raise account_deleted()
    return user
