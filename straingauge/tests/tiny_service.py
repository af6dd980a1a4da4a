"""A service for the tests of service stacks: `tiny_service.py PORT [MODE]`.

Modes: `serve` (the default), `unready` (answers 503 for ever), `exit` (says why and ends with 3),
`stubborn` (ignores SIGTERM).
"""

import http.server
import os
import signal
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the URL of its database."""

    status = 200

    def log_message(self, *_: object) -> None:
        """Log nothing, so that the messages under test stay in the tail of the log."""

    def do_GET(self) -> None:
        """Send the same response for all paths."""
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(os.environ.get("DATABASE_URL", "").encode())


def main() -> None:
    """Serve in the mode named on the command line."""
    port, mode = int(sys.argv[1]), (sys.argv[2:] or ["serve"])[0]
    print(f"tiny service in mode {mode}", flush=True)
    if mode == "exit":
        sys.exit(3)
    if mode == "unready":
        Handler.status = 503
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
