"""One load from its specification to its outcome."""
