"""Plans of slow statements: the parts that read too much, and the indexes that are missing."""
