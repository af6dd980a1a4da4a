"""Starts PostgreSQL and the service when nobody else has, and stops them again."""

from straingauge.target.config import StandConfig
from straingauge.target.postgres import Postgres
from straingauge.target.stand import Stand

__all__ = ["Postgres", "Stand", "StandConfig"]
