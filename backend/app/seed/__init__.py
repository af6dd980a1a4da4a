"""Synthetic accounts, patients, sessions and notes for development and load tests."""
