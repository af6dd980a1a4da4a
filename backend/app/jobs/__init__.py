"""Background jobs: a queue in PostgreSQL, a worker process and its supervisor."""
