"""Notes extracted from a session's transcript."""
