"""Several Locust processes that share one load."""
