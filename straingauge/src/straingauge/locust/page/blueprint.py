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

from straingauge.locust.page.live import Live, Runs

logger = logging.getLogger(__name__)

NAME: Final = "straingauge"
TAB: Final = {"title": "Verdict", "key": NAME}
STATIC: Final = Path(__file__).parent / "static"
SCRIPT: Final = f'<script type="module" src="./{NAME}/static/tab.js"></script>'
# Nothing from elsewhere, and nothing that a name of an endpoint could smuggle in.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
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
    pages = Blueprint(NAME, __name__, url_prefix=prefix)
    said: set[str] = set()

    @pages.errorhandler(Exception)
    def broken(error: Exception) -> ResponseReturnValue:
        if isinstance(error, HTTPException):
            return {"error": error.description}, error.code or 500
        message = f"the page's figures cannot be composed: {type(error).__name__}: {error}"
        if message not in said:  # every viewer asks again every 2 s
            said.add(message)
            logger.error(message, exc_info=error)
        return {"error": message}, 500

    @pages.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-cache"
        return response

    @pages.route("/")
    @web_ui.auth_required_if_enabled
    def page() -> ResponseReturnValue:
        return send_file(STATIC / "live.html")

    @pages.route("/static/<any('live.css', 'live.js', 'charts.js', 'make.js', 'tab.js'):name>")
    def static(name: str) -> ResponseReturnValue:
        return send_file(STATIC / name)

    @pages.route("/live.json")
    @web_ui.auth_required_if_enabled
    def figures() -> ResponseReturnValue:
        shown = live.shown()
        response = make_response(shown.json)
        response.mimetype = "application/json"
        response.set_etag(shown.etag)
        return response.make_conditional(request)

    @pages.route("/result.json")
    @web_ui.auth_required_if_enabled
    def result() -> ResponseReturnValue:
        live.shown()
        file = live.file
        if file is None or not file.is_file():
            return {"error": "there is no result file: none was written yet, or it was moved"}, 404
        return send_file(file, as_attachment=True, download_name=file.name)

    return pages
