"""Simulated users: requests, pacing, and account numbers."""
