"""Data feeders: the rows of a file, for journeys to use.

    from straingauge import feeder

    users = feeder("users.csv", order="unique")

    def register(user):
        row = next(users)
        yield user.post("/users", json={"name": row["name"], "email": row["email"]})

The rows are shared by all processes of a load: worker processes, those of ``pytest -n``, and Locust
workers. Each load begins with the first row.
"""

from straingauge.feeders.feeder import Feeder, FeederEnd, feeder
from straingauge.feeders.registry import begin_load, end_load, feeder_uses
from straingauge.feeders.row_numbers import LocalNumbers, RowNumbers, SharedNumbers
from straingauge.feeders.use import FeederUse, merge_uses
from straingauge.secret_source import secret

__all__ = [
    "Feeder",
    "FeederEnd",
    "FeederUse",
    "LocalNumbers",
    "RowNumbers",
    "SharedNumbers",
    "begin_load",
    "end_load",
    "feeder",
    "feeder_uses",
    "merge_uses",
    "secret",
]
