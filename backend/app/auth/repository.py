"""Database queries for accounts, logins and refresh tokens.

Times are compared with the database's clock, which all workers share.
"""

import uuid
from datetime import timedelta

from sqlalchemy import Interval, delete, func, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import RefreshToken, TokenFamily, User


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    """Return the account of a lower-case e-mail address."""
    return await session.scalar(select(User).where(User.email == email))


async def add_family(session: AsyncSession, user_id: uuid.UUID, ttl_s: int) -> TokenFamily:
    """Store a new login, which ends after `ttl_s` seconds."""
    family = TokenFamily(user_id=user_id, expires_at=func.now() + timedelta(seconds=ttl_s))
    session.add(family)
    await session.flush()
    return family


async def lock_family_of(
    session: AsyncSession, token_hash: bytes
) -> tuple[TokenFamily, timedelta] | None:
    """Lock the login of a token until the end of the transaction.

    Returns:
        The login and its remaining time; None if the token is unknown.
    """
    query = (
        select(TokenFamily, type_coerce(TokenFamily.expires_at - func.now(), Interval))
        .join(RefreshToken)
        .where(RefreshToken.token_hash == token_hash)
        .with_for_update(of=TokenFamily)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    family, remaining = row
    return family, remaining


async def add_refresh_token(
    session: AsyncSession, *, token_hash: bytes, family: TokenFamily, ttl_s: int
) -> None:
    """Store a new token, which ends after `ttl_s` seconds."""
    session.add(
        RefreshToken(
            token_hash=token_hash,
            family_id=family.id,
            expires_at=func.now() + timedelta(seconds=ttl_s),
        )
    )
    await session.flush()


async def spend_refresh_token(session: AsyncSession, token_hash: bytes) -> bool:
    """Mark a token as spent; False if it was spent before or has expired."""
    statement = (
        update(RefreshToken)
        .where(
            RefreshToken.token_hash == token_hash,
            RefreshToken.spent_at.is_(None),
            RefreshToken.expires_at > func.now(),
        )
        .values(spent_at=func.now())
    )
    return await session.scalar(statement.returning(RefreshToken.token_hash)) is not None


async def revoke_family_of(session: AsyncSession, token_hash: bytes) -> None:
    """Revoke the login of a token, and so all of its tokens."""
    family = (
        select(RefreshToken.family_id)
        .where(RefreshToken.token_hash == token_hash)
        .scalar_subquery()
    )
    await session.execute(
        update(TokenFamily)
        .where(TokenFamily.id == family, TokenFamily.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


async def delete_expired_tokens(session: AsyncSession, user_id: uuid.UUID) -> None:
    """Delete a user's expired tokens, and the logins that have no other."""
    families = select(TokenFamily.id).where(TokenFamily.user_id == user_id)
    await session.execute(
        delete(RefreshToken).where(
            RefreshToken.family_id.in_(families), RefreshToken.expires_at <= func.now()
        )
    )
    await session.execute(
        delete(TokenFamily).where(
            TokenFamily.user_id == user_id,
            ~select(RefreshToken).where(RefreshToken.family_id == TokenFamily.id).exists(),
        )
    )
