"""The tab in Locust's web UI: live verdict, diagnosis, charts and resources."""

from straingauge.locust.web.blueprint import add_page

__all__ = ["add_page"]
