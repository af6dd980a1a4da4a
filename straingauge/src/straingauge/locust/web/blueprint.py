"""The tab in Locust's web UI, and the routes under /straingauge that it uses.

Locust takes routes as a Flask blueprint and tabs by `template_args["extended_tabs"]`, but a tab can
only show a table of text there. So a script is added to Locust's web UI that puts straingauge's
page into the tab when it is open.
"""

import logging
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, make_response, request, send_file
from flask.typing import ResponseReturnValue
from locust.env import Environment
from locust.web import WebUI
from werkzeug.exceptions import HTTPException

from straingauge.live_view import PageDataCache, RunSource
from straingauge.live_view.page_files import FRAME_POLICY, POLICY, page, static_file
from straingauge.report.page import page as report_page

logger = logging.getLogger(__name__)

NAME: Final = "straingauge"
TAB: Final = {"title": "Verdict", "key": NAME}
TAB_SCRIPT: Final = Path(__file__).parent / "static" / "tab.js"
SCRIPT: Final = f'<script type="module" src="./{NAME}/static/tab.js"></script>'


def add_page(web_ui: WebUI, environment: Environment, runs: RunSource) -> None:
    """Add the tab and its routes to Locust's web UI, before it is served."""
    app, options = web_ui.app, environment.parsed_options
    assert app is not None
    base = (options and options.web_base_path) or ""
    web_ui.template_args["extended_tabs"] = [*web_ui.template_args.get("extended_tabs", ()), TAB]
    app.register_blueprint(_blueprint(web_ui, _page_data(environment, runs), f"{base}/{NAME}"))

    @app.after_request
    def add_script(response: Response) -> Response:
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(
                response.get_data(as_text=True).replace("</body>", SCRIPT + "</body>")
            )
        return response


def _page_data(environment: Environment, runs: RunSource) -> PageDataCache:
    runner = environment.runner
    assert runner is not None
    return PageDataCache(runs, lambda: (runner.state, runner.user_count))


def _blueprint(web_ui: WebUI, page_data: PageDataCache, prefix: str) -> Blueprint:
    blueprint, views = Blueprint(NAME, __name__, url_prefix=prefix), _Views(page_data)
    for rule, view in (
        ("/", views.page),
        ("/live.json", views.data),
        ("/result.json", views.result),
        ("/report.html", views.report),
    ):
        blueprint.add_url_rule(rule, view.__name__, web_ui.auth_required_if_enabled(view))
    blueprint.add_url_rule("/static/<name>", "static", _static)
    blueprint.register_error_handler(Exception, views.error)
    blueprint.after_request(_add_headers)
    return blueprint


class _Views:
    """The routes under /straingauge."""

    def __init__(self, page_data: PageDataCache) -> None:
        self._page_data = page_data
        self._logged: set[str] = set()

    def page(self) -> ResponseReturnValue:
        return Response(page("locust"), mimetype="text/html")

    def data(self) -> ResponseReturnValue:
        data = self._page_data.get()
        response = make_response(data.json)
        response.mimetype = "application/json"
        response.set_etag(data.etag)
        return response.make_conditional(request)

    def result(self) -> ResponseReturnValue:
        self._page_data.get()
        finished = self._page_data.finished_run
        if finished is None or finished.path is None or not finished.path.is_file():
            return {"error": "no result file: no run has ended, or the file was moved"}, 404
        return send_file(finished.path, as_attachment=True, download_name=finished.path.name)

    def report(self) -> ResponseReturnValue:
        self._page_data.get()
        if self._page_data.finished_run is None:
            return {"error": "no report: no run has ended"}, 404
        response = make_response(report_page([self._page_data.finished_run.result]))
        # The report has a policy for everything else in itself.
        response.headers["Content-Security-Policy"] = FRAME_POLICY
        return response

    def error(self, error: Exception) -> ResponseReturnValue:
        if isinstance(error, HTTPException):
            return {"error": error.description}, error.code or 500
        message = f"cannot build the page's data: {type(error).__name__}: {error}"
        if message not in self._logged:  # each viewer asks again every 2 s
            self._logged.add(message)
            logger.error(message, exc_info=error)
        return {"error": message}, 500


def _static(name: str) -> ResponseReturnValue:
    if name == TAB_SCRIPT.name:
        return send_file(TAB_SCRIPT)
    found = static_file(name)
    return ({"error": "no such file"}, 404) if found is None else Response(*_typed(*found))


def _typed(text: str, mimetype: str) -> tuple[str, int, dict[str, str]]:
    return text, 200, {"Content-Type": f"{mimetype}; charset=utf-8"}


def _add_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["Cache-Control"] = "no-cache"
    return response
