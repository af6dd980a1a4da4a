"""Locust's report files, also for runs that SIGTERM ends, for which Locust writes none."""

import logging
from pathlib import Path

import gevent
from locust.env import Environment
from locust.html import get_html_report, process_html_filename
from locust.stats import CSV_STATS_INTERVAL_SEC

from straingauge.locust.options import get_options

logger = logging.getLogger(__name__)


class HtmlReport:
    """The file of --html.

    The option is hidden from Locust, which would write the file at some ends of a run only.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._options = get_options(environment)
        self._file, self._options.html_file = self._options.html_file, None

    def write(self) -> None:
        """Write the file, once Locust's statistics are complete."""
        if not self._file:
            return
        self._options.html_file = self._file
        process_html_filename(self._options)  # fills in users, spawn rate and run time
        path = Path(self._options.html_file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = get_html_report(self._environment, show_download_link=False)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            logger.error(  # noqa: TRY400  a traceback would add nothing
                "cannot write --html %s: %s", path, error.strerror or error
            )


def await_csv(environment: Environment) -> None:
    """Wait for Locust's writer of --csv files, which writes every second but not at the end."""
    if get_options(environment).csv_prefix:
        gevent.sleep(1.5 * CSV_STATS_INTERVAL_SEC)
