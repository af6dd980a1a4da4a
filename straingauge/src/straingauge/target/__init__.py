"""Starts PostgreSQL and the service when nobody else has, and stops them again."""

from straingauge.target.config import StackConfig
from straingauge.target.postgres import Postgres
from straingauge.target.service_stack import ServiceStack

__all__ = ["Postgres", "ServiceStack", "StackConfig"]
