"""The table of rate limits, which `app.middleware.rate_limit_storage` counts in."""

from sqlalchemy import Column, DateTime, Integer, String, Table

from app.table_base import Base

# Unlogged: counters are written on each request and need not survive a crash.
rate_limits = Table(
    "rate_limits",
    Base.metadata,
    Column("key", String(200), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("resets_at", DateTime(timezone=True), nullable=False),
    prefixes=["UNLOGGED"],
)
