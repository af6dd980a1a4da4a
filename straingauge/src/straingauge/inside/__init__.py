"""Middleware for a service under test: Server-Timing, and its pool and event loop at /metrics.

    from straingauge.inside import Inside

    app = Inside(app, engine=engine)

This package imports the standard library only, so a service can use it without the dependencies of
straingauge: ``pip install --no-deps straingauge``. `Inside` describes its options.
"""

from straingauge.inside.middleware import Inside

__all__ = ["Inside"]
