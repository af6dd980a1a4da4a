"""Starts PostgreSQL and the service when nobody else has, and stops them again."""

from straingauge.target.postgres import Postgres

__all__ = ["Postgres"]
