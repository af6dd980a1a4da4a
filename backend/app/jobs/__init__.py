"""Background work: a queue in PostgreSQL, a worker process, and who keeps that one alive."""
