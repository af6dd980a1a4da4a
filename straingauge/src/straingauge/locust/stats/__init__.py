"""Recording of requests, and reports of them to Locust's statistics."""
