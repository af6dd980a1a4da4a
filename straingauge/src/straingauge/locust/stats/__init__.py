"""Recording of requests, and what Locust reports of them."""
