"""Locust's own report files, written whatever ends the run: stock Locust writes none on SIGTERM."""

import logging
from pathlib import Path

import gevent
from locust.env import Environment
from locust.html import get_html_report, process_html_filename
from locust.stats import CSV_STATS_INTERVAL_SEC

from straingauge.locust.options import options_of

logger = logging.getLogger(__name__)


class Html:
    """The file of --html.

    Its name is taken from Locust, which would write it on some ends of a run and not on others.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._options = options_of(environment)
        self._file, self._options.html_file = self._options.html_file, None

    def write(self) -> None:
        """Write it, once Locust's figures are complete."""
        if not self._file:
            return
        self._options.html_file = self._file
        process_html_filename(self._options)  # puts users, rate and time into it
        path = Path(self._options.html_file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = get_html_report(self._environment, show_download_link=False)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            logger.error(  # noqa: TRY400  one line is all it takes
                "cannot write --html %s: %s", path, error.strerror or error
            )


def await_csv(environment: Environment) -> None:
    """Let Locust's writer of --csv files have its turn: it writes each second, and at no end."""
    if options_of(environment).csv_prefix:
        gevent.sleep(1.5 * CSV_STATS_INTERVAL_SEC)
