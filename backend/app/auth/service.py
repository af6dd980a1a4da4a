"""The rules of accounts: who may sign up, log in, and go on."""

import uuid
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth import passwords, repository
from app.auth.models import User
from app.auth.schemas import LoginRequest, SignupRequest, TokenResponse
from app.auth.tokens import AccessTokens, Principal, hash_refresh_token, new_refresh_token
from app.errors import Conflict, NotFound, Unauthorized, Unprocessable


async def sign_up(session: AsyncSession, request: SignupRequest) -> User:
    """Make an account.

    Raises:
        Unprocessable: when the password breaks a rule; says which.
        Conflict: when the address has an account already.
    """
    password = request.password.get_secret_value()
    broken = passwords.broken_rules(password)
    if broken:
        raise Unprocessable(
            "The password is too weak.",
            code="weak_password",
            details=[{"where": "body.password", "message": message} for message in broken],
        )
    user = User(
        email=request.email,
        password_hash=await passwords.hash_password(password),
        role=request.role,
        full_name=request.full_name,
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        raise Conflict("This e-mail address has an account.", code="email_taken") from error
    await session.refresh(user, ["created_at"])
    return user


@dataclass(frozen=True, slots=True)
class TokenService:
    """Gives out pairs of tokens: for a password, or for a refresh token that was not yet spent."""

    session: AsyncSession
    access_tokens: AccessTokens
    refresh_ttl_s: int

    async def log_in(self, request: LoginRequest) -> TokenResponse:
        """Tokens for a password. The answer and its time are the same for an unknown account.

        Raises:
            Unauthorized: when account and password do not belong together.
        """
        user = await repository.user_by_email(self.session, request.email)
        # The password takes a while: the connection goes back to the pool meanwhile.
        await self.session.commit()
        known = user.password_hash if user is not None else None
        matches = await passwords.verify_password(known, request.password.get_secret_value())
        if user is None or not matches:
            raise Unauthorized("E-mail address or password is wrong.", code="wrong_credentials")
        await repository.forget_expired_tokens(self.session, user.id)
        return await self._issue(user, family_id=uuid.uuid4())

    async def refresh(self, refresh_token: str) -> TokenResponse:
        """A new pair for a refresh token, which is spent by this.

        Raises:
            Unauthorized: when it is unknown, expired, revoked or spent. A spent one that comes
                back revokes its family: somebody else has used it, or its successor.
        """
        token_hash = hash_refresh_token(refresh_token)
        spent = await repository.spend_refresh_token(self.session, token_hash)
        if spent is None:
            await self.log_out(refresh_token)
            raise Unauthorized("The refresh token is not valid.", code="invalid_refresh_token")
        user = await self.session.get_one(User, spent.user_id)
        return await self._issue(user, family_id=spent.family_id)

    async def log_out(self, refresh_token: str) -> None:
        """Revoke the token and all its kin; access tokens run out by themselves."""
        await repository.revoke_family_of(self.session, hash_refresh_token(refresh_token))
        await self.session.commit()  # stands, whatever the caller raises next

    async def _issue(self, user: User, *, family_id: uuid.UUID) -> TokenResponse:
        refresh_token = new_refresh_token()
        await repository.add_refresh_token(
            self.session,
            token_hash=hash_refresh_token(refresh_token),
            user_id=user.id,
            family_id=family_id,
            ttl_s=self.refresh_ttl_s,
        )
        return TokenResponse(
            access_token=self.access_tokens.issue(Principal(user.id, user.role)),
            refresh_token=refresh_token,
            expires_in=self.access_tokens.ttl_s,
        )


async def me(session: AsyncSession, principal: Principal) -> User:
    """The caller's account.

    Raises:
        NotFound: when it is gone since the token was issued.
    """
    user = await session.get(User, principal.id)
    if user is None:
        raise NotFound("This account is gone.")
    return user
