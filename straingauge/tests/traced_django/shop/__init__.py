"""A Django service for tests of the explain pass."""
