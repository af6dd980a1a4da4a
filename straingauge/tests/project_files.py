"""Shared parts of the test projects for pytest and Locust."""

THRESHOLDS = """
[all]
error_rate_percent = { target = 1, warning = 5, critical = 10 }
"""

JOURNEYS = """
from straingauge.verdict import validity

validity.LATE_FLOOR_MS = float("inf")  # a busy machine does not make runs invalid here

def hello(user):
    yield user.get("/hello")

def boom(user):
    yield user.get("/status/500")

def log_in(user):
    answer = yield user.post("/login", json={"password": user.data["password"]})
    user.authorize(answer.json()["token"])
"""
