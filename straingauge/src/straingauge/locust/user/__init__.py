"""Locust users that run journeys, and their wait times."""
