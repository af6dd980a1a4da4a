"""Puts load on an HTTP service, watches it from the inside, and says what it found."""
