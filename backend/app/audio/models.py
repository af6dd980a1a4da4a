"""The table of the database's identity, which `app.audio.owner` writes."""

from sqlalchemy import Boolean, CheckConstraint, Column, Table, Text, Uuid, true

from app.table_base import Base

database_identity = Table(
    "database_identity",
    Base.metadata,
    Column("singleton", Boolean, primary_key=True, server_default=true()),
    Column("id", Uuid, nullable=False),
    Column("location", Text, nullable=False),
    CheckConstraint("singleton", name="singleton"),
)
