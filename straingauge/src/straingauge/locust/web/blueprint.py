"""The page's place in Locust's own: a tab, and under /straingauge what it shows.

Locust's page takes routes as a Flask blueprint and tabs by `template_args["extended_tabs"]`; what a
tab shows there can only be a table of words. So a script is added to Locust's page that puts ours
into the tab when it is open.
"""

import logging
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, make_response, request, send_file
from flask.typing import ResponseReturnValue
from locust.env import Environment
from locust.web import WebUI
from werkzeug.exceptions import HTTPException

from straingauge.locust.web.live import Live, Runs
from straingauge.report.page import page as report_page

logger = logging.getLogger(__name__)

NAME: Final = "straingauge"
TAB: Final = {"title": "Verdict", "key": NAME}
FILES: Final = "'live.css', 'live.js', 'charts.js', 'make.js', 'tab.js'"
STATIC: Final = Path(__file__).parent / "static"
SCRIPT: Final = f'<script type="module" src="./{NAME}/static/tab.js"></script>'
# Nothing from elsewhere, and nothing that a name of an endpoint could smuggle in.
FRAMED: Final = "frame-ancestors 'self'"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    f"base-uri 'none'; form-action 'none'; {FRAMED}"
)


def add_page(web_ui: WebUI, environment: Environment, runs: Runs) -> None:
    """Add the tab and what it shows to Locust's page, before that is served."""
    app, options = web_ui.app, environment.parsed_options
    assert app is not None
    base = (options and options.web_base_path) or ""
    web_ui.template_args["extended_tabs"] = [*web_ui.template_args.get("extended_tabs", ()), TAB]
    app.register_blueprint(_blueprint(web_ui, _live(environment, runs), f"{base}/{NAME}"))

    @app.after_request
    def add_script(response: Response) -> Response:
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(
                response.get_data(as_text=True).replace("</body>", SCRIPT + "</body>")
            )
        return response


def _live(environment: Environment, runs: Runs) -> Live:
    runner = environment.runner
    assert runner is not None
    return Live(runs, lambda: (runner.state, runner.user_count))


def _blueprint(web_ui: WebUI, live: Live, prefix: str) -> Blueprint:
    blueprint, shown = Blueprint(NAME, __name__, url_prefix=prefix), _Shown(live)
    for rule, view in (
        ("/", shown.page),
        ("/live.json", shown.figures),
        ("/result.json", shown.result),
        ("/report.html", shown.report),
    ):
        blueprint.add_url_rule(rule, view.__name__, web_ui.auth_required_if_enabled(view))
    blueprint.add_url_rule(f"/static/<any({FILES}):name>", "static", _static)
    blueprint.register_error_handler(Exception, shown.broken)
    blueprint.after_request(_guarded)
    return blueprint


class _Shown:
    """What there is under /straingauge."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._said: set[str] = set()

    def page(self) -> ResponseReturnValue:
        return send_file(STATIC / "live.html")

    def figures(self) -> ResponseReturnValue:
        shown = self._live.shown()
        response = make_response(shown.json)
        response.mimetype = "application/json"
        response.set_etag(shown.etag)
        return response.make_conditional(request)

    def result(self) -> ResponseReturnValue:
        self._live.shown()
        over = self._live.over
        if over is None or over.path is None or not over.path.is_file():
            return {"error": "there is no result file: none was written yet, or it was moved"}, 404
        return send_file(over.path, as_attachment=True, download_name=over.path.name)

    def report(self) -> ResponseReturnValue:
        self._live.shown()
        if self._live.over is None:
            return {"error": "there is no report: no run is over yet"}, 404
        response = make_response(report_page([self._live.over.result]))
        response.headers["Content-Security-Policy"] = FRAMED  # the rest it says itself
        return response

    def broken(self, error: Exception) -> ResponseReturnValue:
        if isinstance(error, HTTPException):
            return {"error": error.description}, error.code or 500
        message = f"the page's figures cannot be composed: {type(error).__name__}: {error}"
        if message not in self._said:  # every viewer asks again every 2 s
            self._said.add(message)
            logger.error(message, exc_info=error)
        return {"error": message}, 500


def _static(name: str) -> ResponseReturnValue:
    return send_file(STATIC / name)


def _guarded(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["Cache-Control"] = "no-cache"
    return response
