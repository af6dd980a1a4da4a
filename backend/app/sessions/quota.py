"""Quotas of an account: bytes stored, and hours recorded per day.

They are counted in the transaction that stores the session. Its row of `account_usage` stays locked
until the commit, so uploads at the same time cannot exceed a quota together, and a rolled back
upload is not counted.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import PayloadTooLarge, RateLimited
from app.settings import Settings

ASSUMED_BYTES_PER_S = 8_000
"""64 kbit/s, common for speech: for formats whose header does not state the length."""

_CHARGE = text("""
    INSERT INTO account_usage AS usage (therapist_id, stored_bytes, day, day_s)
    VALUES (:therapist_id, :size_bytes, current_date, :duration_s)
    ON CONFLICT (therapist_id) DO UPDATE
    SET stored_bytes = usage.stored_bytes + excluded.stored_bytes,
        day = excluded.day,
        day_s = excluded.day_s + CASE WHEN usage.day = excluded.day THEN usage.day_s ELSE 0 END
    RETURNING stored_bytes, day_s,
              ceil(extract(epoch FROM current_date + interval '1 day' - localtimestamp))::int
""")


async def charge(
    session: AsyncSession,
    therapist_id: uuid.UUID,
    settings: Settings,
    *,
    size_bytes: int,
    duration_s: float | None,
) -> None:
    """Count a recording as part of the current transaction.

    Args:
        session: A session whose transaction is rolled back on an error.
        therapist_id: Owner of the recording.
        settings: Settings with the quotas.
        size_bytes: Size of the recording.
        duration_s: Length of the recording; None to estimate it from its size.

    Raises:
        PayloadTooLarge: The account would store more than ACCOUNT_STORAGE_BYTES.
        RateLimited: The account would record more than ACCOUNT_DAY_S today.
    """
    if duration_s is None:
        duration_s = size_bytes / ASSUMED_BYTES_PER_S
    values = {"therapist_id": therapist_id, "size_bytes": size_bytes, "duration_s": duration_s}
    stored_bytes, day_s, resets_in_s = (await session.execute(_CHARGE, values)).one()
    if stored_bytes > settings.account_storage_bytes:
        raise PayloadTooLarge(
            f"This recording would bring the account to {stored_bytes} bytes; at most"
            f" {settings.account_storage_bytes} are allowed.",
            code="storage_quota_exceeded",
        )
    if day_s > settings.account_day_s:
        raise RateLimited(
            f"This recording would bring today's uploads to {day_s / 60:.0f} minutes; at most"
            f" {settings.account_day_s / 60:.0f} are allowed per day (UTC).",
            code="recording_quota_exceeded",
            headers={"Retry-After": str(resets_in_s)},
        )
