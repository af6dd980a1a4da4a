"""A service that raises an exception for /fail and leaves a thread behind for every fourth /thread.

`failing_service.py PORT`
"""

import http.server
import itertools
import sys
import threading
import traceback

numbers = itertools.count(1)


def find_page(path: str) -> bytes:
    """Return a page, if it is there."""
    if path == "/fail":
        raise LookupError(path)
    return b"a page"


def start_mailer() -> None:
    """Start a thread that never ends, as if to send a mail."""
    if next(numbers) % 4 == 0:
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with a page, or with 500 as frameworks do."""

    def log_message(self, *_: object) -> None:
        """Log exceptions only."""

    def do_GET(self) -> None:
        """Send a page."""
        if self.path == "/thread":
            start_mailer()
        try:
            page = find_page(self.path)
        except LookupError:
            traceback.print_exc()
            self.send_error(500)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
