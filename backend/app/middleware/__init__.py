"""Middleware and rate limits."""
