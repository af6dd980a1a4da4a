"""Locust masters and workers: messages between processes that share one load."""
