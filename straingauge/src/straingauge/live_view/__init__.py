"""A run reduced to what a live page shows of it: verdict, metrics, diagnosis and charts."""

from straingauge.live_view.view import view

__all__ = ["view"]
