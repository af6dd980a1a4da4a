"""A run reduced to what a live page shows of it: verdict, metrics, diagnosis and charts."""

from straingauge.live_view.page_data import PageData, PageDataCache, RunSource
from straingauge.live_view.view import view

__all__ = ["PageData", "PageDataCache", "RunSource", "view"]
