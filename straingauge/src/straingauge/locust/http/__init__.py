"""The HTTP client of the simulated users, on gevent sockets."""
