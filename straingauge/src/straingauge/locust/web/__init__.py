"""A tab in Locust's web page: the verdict so far, and what was seen inside the service."""

from straingauge.locust.web.blueprint import add_page

__all__ = ["add_page"]
