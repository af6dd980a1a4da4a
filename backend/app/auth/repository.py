"""Database queries for accounts and refresh tokens."""

import uuid
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import RefreshToken, User


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    """Return the account of a lower-case e-mail address."""
    return await session.scalar(select(User).where(User.email == email))


async def add_refresh_token(
    session: AsyncSession,
    *,
    token_hash: bytes,
    user_id: uuid.UUID,
    family_id: uuid.UUID,
    ttl_s: int,
) -> None:
    """Store a new token. Its expiry uses the database's clock, which all workers share."""
    session.add(
        RefreshToken(
            token_hash=token_hash,
            user_id=user_id,
            family_id=family_id,
            expires_at=func.now() + timedelta(seconds=ttl_s),
        )
    )
    await session.flush()


async def consume_refresh_token(session: AsyncSession, token_hash: bytes) -> RefreshToken | None:
    """Mark a valid token as spent and return it; of concurrent calls, one succeeds."""
    is_valid = (
        RefreshToken.token_hash == token_hash,
        RefreshToken.spent_at.is_(None),
        RefreshToken.revoked_at.is_(None),
        RefreshToken.expires_at > func.now(),
    )
    statement = update(RefreshToken).where(*is_valid).values(spent_at=func.now())
    return await session.scalar(statement.returning(RefreshToken))


async def revoke_family_of(session: AsyncSession, token_hash: bytes) -> None:
    """Revoke all tokens of the same login."""
    family = (
        select(RefreshToken.family_id)
        .where(RefreshToken.token_hash == token_hash)
        .scalar_subquery()
    )
    await session.execute(
        update(RefreshToken)
        .where(RefreshToken.family_id == family, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )


async def delete_expired_tokens(session: AsyncSession, user_id: uuid.UUID) -> None:
    """Delete a user's expired tokens."""
    await session.execute(
        delete(RefreshToken).where(
            RefreshToken.user_id == user_id, RefreshToken.expires_at <= func.now()
        )
    )
